/**
 * Process entry for tests: calls every function of the addon with wrong values many times, in a process that may crash.
 * `node --expose-gc abuse-native.js SEED`; prints `survived` and the number of calls.
 */
import { execFileSync } from 'node:child_process'
import { constants, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededRandom } from '../../../src/base/index.js'
import {
  CHANNEL_MODE,
  loadFuseNative,
  type ChannelMode,
  type FuseNative,
  type NativeChannel,
} from '../../../src/fuse/transports/native.js'

type Anything = (...values: unknown[]) => unknown

const random = seededRandom(Number(process.argv[2]))
const hostile = new Proxy([], {
  get() {
    throw new Error('hostile')
  },
})
const detached = new Uint8Array(64)
structuredClone(detached.buffer, { transfer: [detached.buffer] })
/** No small integers: they would be descriptors of this process. */
const VALUES: readonly unknown[] = [
  undefined,
  null,
  NaN,
  Infinity,
  -1,
  -4096,
  0.5,
  8192,
  8193,
  65_536,
  1e300,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  10n,
  true,
  '',
  '/nonexistent/place',
  'a\0b',
  'x'.repeat(5000),
  Symbol('s'),
  {},
  [],
  [new Uint8Array(8)],
  [new Float64Array(2)],
  [new DataView(new ArrayBuffer(8))],
  [detached],
  [1, , 'x'],
  new Array(5000).fill(new Uint8Array(1)),
  [new Uint8Array(new SharedArrayBuffer(16))],
  hostile,
  () => {},
  new Uint8Array(0),
  new ArrayBuffer(8),
]

const SIZES = { arenaBytes: 65_536, requestBytes: 8192, maxBatch: 8, outBytes: 4096 }

const pick = (): unknown => VALUES[random.next(VALUES.length)]
let calls = 0

function abuse(target: object, names: readonly string[], times: number): Promise<unknown>[] {
  const promises: Promise<unknown>[] = []
  for (let i = 0; i < times; i++) {
    const name = names[i % names.length] ?? ''
    const values = Array.from({ length: random.next(10) }, pick)
    calls++
    try {
      const outcome = ((target as Record<string, unknown>)[name] as Anything)(...values)
      if (outcome instanceof Promise) promises.push(outcome)
    } catch {
      // Throwing is correct; crashing is not.
    }
  }
  return promises
}

/** The fields of the settings have wrong values, are missing, or throw when they are read. */
function abuseSettings(addon: FuseNative, times: number): void {
  const names = ['fd', ...Object.keys(SIZES), 'mode', 'onBatch', 'onEnd']
  for (let i = 0; i < times; i++) {
    const settings: object = random.next(20) === 0 ? hostile : { ...SIZES, mode: 0, onBatch: () => {}, onEnd: () => {} }
    for (const name of names) if (random.next(3) === 0 && settings !== hostile) Reflect.set(settings, name, pick())
    calls++
    try {
      ;(addon.openChannel as Anything)(settings)
    } catch {
      // Throwing is correct; crashing is not.
    }
  }
}

/** A channel on a FIFO that receives random bytes. Its memory is transferred away while it reads. */
async function abuseChannel(addon: FuseNative, mode: ChannelMode): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'dagdrive-abuse-'))
  const fifo = join(directory, 'fifo')
  execFileSync('mkfifo', [fifo])
  const fd = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK)
  const writer = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK)
  rmSync(directory, { recursive: true })
  let batches = 0
  const onBatch = (count: number): void => {
    batches += count
    if (batches === 3) throw new Error('a handler that throws')
  }
  const channel = addon.openChannel({ ...SIZES, fd, mode, onBatch, onEnd: () => {} }) as NativeChannel
  const methods = { ...channel }
  for (let round = 0; round < 20; round++) {
    writeSync(writer, random.bytes(1 + random.next(4000)))
    await new Promise((resolve) => setTimeout(resolve, 2))
    await Promise.all(abuse(methods, ['reply', 'replyWith', 'abortAtExit', 'guard'], 300))
    if (round === 10) transferAway(channel.memory)
    globalThis.gc?.()
  }
  if (batches < 10) throw new Error('the channel did not read')
  channel.stop()
  channel.stop()
  await Promise.all(abuse(methods, ['reply', 'replyWith', 'abortAtExit', 'guard', 'stop'], 300))
}

/** Node 20 can transfer an addon's memory; later versions refuse, which is also correct. */
function transferAway(memory: ArrayBuffer): void {
  try {
    structuredClone(memory, { transfer: [memory] })
  } catch (error) {
    if (!(error instanceof DOMException) || error.name !== 'DataCloneError') throw error
  }
}

async function main(): Promise<void> {
  let thrown = 0
  process.on('uncaughtException', () => thrown++)
  const native = loadFuseNative()
  if (!('addon' in native)) throw new Error(native.reason)
  await Promise.all(abuse(native.addon, ['openChannel'], 10_000))
  abuseSettings(native.addon, 10_000)
  await Promise.all(abuse(native.addon, ['mount', 'umount', 'fusermount', 'syncfs'], 2000))
  await abuseChannel(native.addon, CHANNEL_MODE.POLL)
  await abuseChannel(native.addon, CHANNEL_MODE.THREAD)
  process.stdout.write(`survived ${calls} calls, ${thrown} handler errors\n`)
}

void main()
