import test from 'ava'
import { startDevice } from '../../../test/support/sync/started-device.js'
import { DriveError } from '../../base/index.js'
import type { IpfsNode } from '../../node/index.js'

test('S-198 everything is published only from the moment the names were read back until the next change, also after a kill', async (t) => {
  const { world, device } = await startDevice(t, 4198)
  let isAway: (call: string) => boolean = () => false
  const node = new Proxy(world.node, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return (...given: unknown[]): unknown =>
        isAway(String(name)) ? Promise.reject(new DriveError('OFFLINE', 'Away.')) : Reflect.apply(value, target, given)
    },
  }) satisfies IpfsNode
  await device.close()
  await device.open(() => ({ node }))
  t.false(await device.sync.isAllPublished(), 'the names of the empty drive do not exist yet')
  await device.write('/file', 0, world.random.bytes(300_000))
  for (const last of ['importBlocks', 'pin', 'putName'] as const) {
    t.true(last in node)
    isAway = (call) => call === last
    await t.throwsAsync(device.sync.syncNow(), { code: 'OFFLINE' }, last)
    t.false(await device.sync.isAllPublished(), last)
  }
  let isNamed = false
  isAway = (call) => {
    isNamed ||= call === 'putName'
    return isNamed && call === 'getName'
  }
  await t.throwsAsync(device.sync.syncNow(), { code: 'OFFLINE' })
  t.true(isNamed)
  t.false(await device.sync.isAllPublished(), 'the names were not read back')
  isAway = () => false
  await device.sync.syncNow()
  t.true(await device.sync.isAllPublished())
  isAway = () => true
  await device.kill()
  t.true(await device.sync.isAllPublished())
  await device.chmod('/file', 0o600)
  t.false(await device.sync.isAllPublished())
})
