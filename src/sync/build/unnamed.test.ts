import test from 'ava'
import { RealDevice } from '../../../test/support/sync/real-device.js'
import { caller } from '../../../test/support/sync/tree-by-path.js'
import { World } from '../../../test/support/sync/world.js'
import { pinTreeOf, usesOf } from '../../../test/support/sync/version-uses.js'
import { nameFromText } from '../../base/index.js'
import { OPEN, ROOT_INO } from '../../vfs/index.js'
import { findDrive } from '../fetch/open-existing.js'

test('S-092 a file written without a name is in the first version after it got its name, with all its blocks', async (t) => {
  const world = await World.open(41)
  const device = await RealDevice.first(world)
  const other: RealDevice[] = []
  t.teardown(async () => {
    for (const each of [device, ...other]) {
      await each.close()
      each.remove()
    }
    await world.close()
  })
  const dumpElsewhere = async (): Promise<Record<string, string>> => {
    const next = await RealDevice.next(world)
    other.push(next)
    return next.dump()
  }
  const { tree, unnamed } = device
  await device.write('/replaced', 0, world.random.bytes(500_000))
  const { ino } = unnamed.make(ROOT_INO, 0o600, caller)
  const { handle } = await tree.open(ino, OPEN.READ_WRITE, caller)
  await tree.write(ino, handle, 0, world.random.bytes(3_000_000), caller)
  await tree.sync(ino, false, caller)
  // Its first blocks are older than this version, which does not contain it.
  await device.sync.syncNow()
  t.deepEqual(Object.keys(await dumpElsewhere()), ['', '/replaced'])
  await tree.write(ino, handle, 3_000_000, world.random.bytes(1_000_000), caller)
  await tree.write(ino, handle, 100, Buffer.from('a page over a block'), caller)
  await tree.sync(ino, false, caller)
  await unnamed.name(ino, { parent: ROOT_INO, name: nameFromText('replaced') }, { replace: true }, caller)
  tree.release(ino, handle)
  for (let version = 0; version < 2; version++) {
    await device.sync.syncNow()
    await world.node.collectGarbage()
    await device.port.evictTo(0)
    t.deepEqual(await dumpElsewhere(), await device.dump(), `version ${version}`)
    await device.chmod('/replaced', 0o640)
  }
  const { version } = (await findDrive(world))!
  const uses = await usesOf(version, world.fetch)
  t.deepEqual([...(await pinTreeOf(version, world.fetch))].sort(), [...uses.keys()].sort(), 'nothing else is kept')
  await t.throwsAsync(
    async () => unnamed.name(ino, { parent: ROOT_INO, name: nameFromText('again') }, { replace: false }, caller),
    {
      code: 'INVALID',
    },
  )
})
