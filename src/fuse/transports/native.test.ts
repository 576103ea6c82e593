/**
 * Tests of the addon with wrong arguments. The channel against a real kernel is in programs.test.ts and
 * life-cycle.test.ts.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { constants } from 'node:os'
import { promisify } from 'node:util'
import test from 'ava'
import { channelMode, CHANNEL_MODE, loadFuseNative, type ChannelSettings, type FuseNative } from './native.js'

const ABUSE = fileURLToPath(new URL('../../../test/support/fuse/abuse-native.js', import.meta.url))

test('wrong values, detached memory, random bytes and throwing handlers never crash the process', async (t) => {
  const seed = (process.hrtime()[1] | 1) >>> 0
  t.log(`seed ${seed}`)
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', ABUSE, String(seed)], {
    timeout: 60_000,
  })
  t.log(stdout.trim())
  t.regex(stdout, /^survived \d{5} calls, 2 handler errors/)
})

test('a channel is refused with EINVAL if any of its settings is missing, of another type or out of its range', (t) => {
  const native = loadFuseNative()
  if (!('addon' in native)) return t.fail(native.reason)
  const { addon } = native
  const open = (settings: unknown): unknown => addon.openChannel(settings as ChannelSettings)
  const call = (): void => {}
  const sizes = { arenaBytes: 65_536, requestBytes: 8192, maxBatch: 8, outBytes: 4096 }
  // No descriptor has this number: settings without an error get EBADF.
  const right = { fd: 2 ** 31 - 1, ...sizes, mode: CHANNEL_MODE.POLL, onBatch: call, onEnd: call }
  t.is(open(right), -constants.errno.EBADF)
  const wrong = [undefined, null, '8192', -1, 0.5, NaN, 2 ** 53, {}]
  const outside: Partial<Record<string, readonly number[]>> = {
    arenaBytes: [8191, 65_537, 2 ** 27],
    requestBytes: [8191, 65_537],
    maxBatch: [0, 1025],
    outBytes: [511, 4097, 2 ** 21],
    mode: [2],
  }
  for (const name of Object.keys(right)) {
    for (const value of [...wrong, ...(outside[name] ?? [])])
      t.is(open({ ...right, [name]: value }), -constants.errno.EINVAL, name)
    const throwing = Object.defineProperty({ ...right }, name, {
      get: () => {
        throw new Error('hostile')
      },
    })
    t.is(open(throwing), -constants.errno.EINVAL, name)
  }
  for (const settings of [undefined, null, 8, 'x', call, []]) t.is(open(settings), -constants.errno.EINVAL)
})

test('another libuv major version, or the environment, selects the reader thread', (t) => {
  const native = loadFuseNative()
  if (!('addon' in native)) return t.fail(native.reason)
  const addon = (runtimeUvMajor: number): FuseNative => ({ ...native.addon, runtimeUvMajor })
  t.is(channelMode(addon(1), {}), CHANNEL_MODE.POLL)
  t.is(channelMode(addon(2), {}), CHANNEL_MODE.THREAD)
  t.is(channelMode(addon(1), { DAGDRIVE_FUSE_CHANNEL: 'thread' }), CHANNEL_MODE.THREAD)
})
