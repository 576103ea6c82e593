/** Starts a drive thread before its drive is known, so that its modules are loaded when the drive is. */
import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads'
import type { DriveThreadData, DriveThreadStart } from './contract.js'

/** The young generation can be bounded: request payloads live in arenas, and short-lived objects are small. */
const THREAD_LIMITS = { maxYoungGenerationSizeMb: 24, maxOldGenerationSizeMb: 512 }

/** Gives a drive thread its drive. */
export type StartThread = (data: DriveThreadData) => Worker

/** The first call uses the thread that is already loading. */
export function prepareDriveThread(): StartThread {
  let prepared: Prepared | undefined = prepare()
  return (data) => {
    // If a thread could not be loaded, starting it again reports the reason.
    const { worker, port } = prepared !== undefined && isAlive(prepared.worker) ? prepared : prepare()
    prepared = undefined
    worker.ref()
    port.postMessage(data)
    return worker
  }
}

interface Prepared {
  readonly worker: Worker
  readonly port: MessagePort
}

function prepare(): Prepared {
  const { port1, port2 } = new MessageChannel()
  const worker = new Worker(new URL('./drive-thread.js', import.meta.url), {
    workerData: { dataPort: port2 } satisfies DriveThreadStart,
    transferList: [port2],
    resourceLimits: THREAD_LIMITS,
    name: 'drive',
  })
  worker.on('error', () => undefined) // reported when the next one is started
  worker.unref()
  return { worker, port: port1 }
}

const isAlive = (worker: Worker): boolean => worker.threadId > 0
