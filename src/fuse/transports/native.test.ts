/**
 * Tests of the addon with wrong arguments. The channel against a real kernel is in programs.test.ts and
 * life-cycle.test.ts.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { channelMode, CHANNEL_MODE, loadFuseNative, type FuseNative } from './native.js'

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

test('another libuv major version, or the environment, selects the reader thread', (t) => {
  const native = loadFuseNative()
  if (!('addon' in native)) return t.fail(native.reason)
  const addon = (runtimeUvMajor: number): FuseNative => ({ ...native.addon, runtimeUvMajor })
  t.is(channelMode(addon(1), {}), CHANNEL_MODE.POLL)
  t.is(channelMode(addon(2), {}), CHANNEL_MODE.THREAD)
  t.is(channelMode(addon(1), { DAGDRIVE_FUSE_CHANNEL: 'thread' }), CHANNEL_MODE.THREAD)
})
