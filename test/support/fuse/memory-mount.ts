/** For tests: a memory tree served from a Worker over a real kernel mount, unmounted after the test. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { ExecutionContext } from 'ava'
import { DriveError } from '../../../src/base/index.js'
import type { MountEnd, MountOptions, UnmountOptions } from '../../../src/fuse/contract.js'
import { detach } from '../../../src/fuse/mounts/detach.js'
import { findMount } from '../../../src/fuse/mounts/mount-info.js'
import { forceUnmount } from '../../../src/fuse/mounts/stale.js'
import type { ServerCommand, ServerData } from './serve-memory-tree.js'

export interface MemoryMount {
  readonly directory: string
  readonly transport: string
  readonly worker: Worker
  readonly ended: Promise<MountEnd>
  ask(command: ServerCommand): Promise<unknown>
  unmount(options?: UnmountOptions): Promise<void>
}

interface Message {
  readonly id?: number
  readonly value?: unknown
  readonly error?: string
  readonly mounted?: string
  readonly failed?: string
  readonly ended?: MountEnd
}

/** An empty directory that is unmounted if necessary and removed after the test. */
export async function temporaryMountpoint(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'dagdrive-fuse-'))
  t.teardown(async () => {
    if ((await findMount(directory)) !== undefined) await forceUnmount(directory).catch(() => detach(directory, true))
    await rm(directory, { recursive: true, force: true })
  })
  return directory
}

export async function serveMemoryTree(
  t: ExecutionContext,
  options: MountOptions = {},
  directory?: string,
): Promise<MemoryMount> {
  const place = directory ?? (await temporaryMountpoint(t))
  const data: ServerData = { mountpoint: place, options }
  const worker = new Worker(new URL('./serve-memory-tree.js', import.meta.url), { workerData: data })
  t.teardown(() => worker.terminate())
  const answers = new Map<number, (message: Message) => void>()
  let nextId = 1
  let onEnded: (end: MountEnd) => void = () => {}
  const ended = new Promise<MountEnd>((resolve) => {
    onEnded = resolve
  })
  const transport = await new Promise<string>((resolve, reject) => {
    worker.on('error', reject)
    worker.on('message', (message: Message) => {
      if (message.mounted !== undefined) resolve(message.mounted)
      if (message.failed !== undefined) reject(new Error(message.failed))
      if (message.ended !== undefined) onEnded(message.ended)
      if (message.id !== undefined) answers.get(message.id)?.(message)
    })
  })
  const ask = (command: ServerCommand): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const id = nextId++
      answers.set(id, ({ error, value }) => (error === undefined ? resolve(value) : reject(new Error(error))))
      worker.postMessage({ id, command })
    })
  return {
    directory: place,
    transport,
    worker,
    ended,
    ask,
    unmount: async (how = {}) => void (await ask({ do: 'unmount', options: how })),
  }
}

/** Runs a shell script in `directory` and returns its output. A failing command fails the script. */
export function shell(directory: string, script: string, timeoutMs = 170_000): Promise<string> {
  return new Promise((resolve, reject) => {
    const args = ['-euo', 'pipefail', '-c', script]
    execFile(
      'bash',
      args,
      { cwd: '/', env: { ...process.env, D: directory }, timeout: timeoutMs },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout.trim())
        else reject(new DriveError('INTERNAL', `${error.message}\n${stdout}${stderr}`))
      },
    )
  })
}

/** A program whose working directory is the mount until `leave`; then it runs `script` there. */
export async function programInside(directory: string, script: string): Promise<{ leave(): Promise<string> }> {
  const flag = `${directory}.flag`
  const wait = (state: string): string => `for i in $(seq 3000); do ${state} && break; sleep 0.05; done`
  const output = shell('', `cd '${directory}'; touch '${flag}'; ${wait(`[ ! -e '${flag}' ]`)}; ${script}`)
  output.catch(() => {}) // reported where it is awaited
  await shell('', wait(`[ -e '${flag}' ]`))
  return {
    async leave() {
      await rm(flag, { force: true })
      return output
    },
  }
}
