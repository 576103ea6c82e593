import test from 'ava'
import { RealDevice } from '../../../test/support/sync/real-device.js'
import { caller } from '../../../test/support/sync/tree-by-path.js'
import { nameFromText } from '../../base/index.js'
import { OPEN } from '../../vfs/index.js'
import { assertPinTreeIsExact, seenElsewhere, startDevice } from '../../../test/support/sync/started-device.js'
import type { World } from '../../../test/support/sync/world.js'

/** One random operation; operations that do not fit the current tree are skipped. */
async function step(world: World, device: RealDevice, paths: Set<string>): Promise<void> {
  const { random } = world
  const files = [...paths].filter((path) => !path.endsWith('/'))
  const folders = ['', ...[...paths].filter((path) => path.endsWith('/')).map((path) => path.slice(0, -1))]
  const pick = <T>(list: readonly T[]): T | undefined => list[random.next(Math.max(1, list.length))]
  const fresh = `${pick(folders)!}/${random.next(1000)}`
  const file = pick(files)
  const size = [100, 1500, 5000, 70_000, 400_000, 1_500_000, 5_000_000][random.next(7)]!
  const isFree = !paths.has(fresh) && !paths.has(`${fresh}/`)
  switch (random.next(12)) {
    case 0:
    case 1:
    case 2:
      if (!isFree) return
      await device.write(fresh, 0, random.bytes(size), { sync: random.next(2) === 0 })
      paths.add(fresh)
      return
    case 3:
      if (!isFree) return
      await device.makeDirectory(fresh)
      paths.add(`${fresh}/`)
      return
    case 4:
      if (file)
        await device.write(file, random.next(2_000_000), random.bytes(1 + random.next(20_000)), {
          sync: random.next(2) === 0,
        })
      return
    case 5:
      if (file) await device.write(file, 0, random.bytes(size), { truncate: true })
      return
    case 6:
      if (file) await device.truncate(file, random.next(1_000_000))
      return
    case 7:
      if (file) await device.unlink(file)
      if (file) paths.delete(file)
      return
    case 8:
      if (!file || !isFree) return
      await device.link(file, fresh)
      paths.add(fresh)
      return
    case 9: {
      const target = random.next(2) === 0 ? pick(files) : fresh
      if (!file || target === undefined || target === file || (target === fresh && !isFree)) return
      const [a, b] = [await device.find(file), await device.find(target)]
      await device.rename(file, target)
      // If both are names of one file, rename does nothing.
      if (a?.ino !== b?.ino) paths.delete(file)
      paths.add(target)
      return
    }
    case 10:
      if (file) await device.chmod(file, 0o600 + random.next(64))
      return
    default: {
      const folder = pick(folders.slice(1))
      if (!folder || [...paths].some((path) => path.startsWith(`${folder}/`) && path !== `${folder}/`)) return
      await device.removeDirectory(folder)
      paths.delete(`${folder}/`)
    }
  }
}

for (const seed of [11, 12]) {
  test(`the real tree under random operations, published repeatedly, is the same elsewhere (seed ${seed})`, async (t) => {
    const { world, device } = await startDevice(t, seed)
    const paths = new Set<string>()
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 15; i++) await step(world, device, paths)
      // As on a full disk.
      const discarding = device.port.discardUnpublished()
      for (let i = 0; i < 10; i++) await step(world, device, paths)
      await discarding
      const publishing = device.sync.syncNow()
      // The tree changes while it is published, and the node collects garbage at any time.
      const collecting = world.node.collectGarbage()
      for (let i = 0; i < 4; i++) await step(world, device, paths)
      await Promise.all([publishing, collecting])
      await device.sync.syncNow()
      await world.node.collectGarbage()
      // From here on, confirmed blocks are only on the node.
      await device.port.evictTo(0)
      t.deepEqual(await seenElsewhere(world), await device.dump(), `round ${round}`)
    }
    await device.sync.syncNow()
    await device.sync.syncNow()
    await assertPinTreeIsExact(t, world)
  })
}

test('the real tree, killed during a publish, loses nothing that was synced to disk', async (t) => {
  const { world, device } = await startDevice(t, 21)
  const paths = new Set<string>()
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < 15; i++) await step(world, device, paths)
    await device.port.flush()
    const before = await device.dump()
    device.sync.syncNow().catch(() => undefined)
    await new Promise((resolve) => setTimeout(resolve, world.random.next(60)))
    await device.kill()
    t.deepEqual(await device.dump(), before)
    // This also collects the blocks of an interrupted upload.
    if (round % 2 === 0) await world.node.collectGarbage()
    await device.sync.syncNow()
    await world.node.collectGarbage()
    t.deepEqual(await seenElsewhere(world), before, `round ${round}`)
  }
  await device.sync.syncNow()
  await device.sync.syncNow()
  await assertPinTreeIsExact(t, world)
})

test('an unlinked open file leaves no trace once it is closed', async (t) => {
  const { world, device } = await startDevice(t, 31)
  const { tree } = device
  await device.write('/kept', 0, world.random.bytes(500_000))
  await device.write('/open', 0, world.random.bytes(400_000), { sync: true })
  const { ino } = (await device.find('/open'))!
  const { handle } = await tree.open(ino, OPEN.READ_WRITE, caller)
  await device.sync.syncNow()
  await device.unlink('/open')
  await tree.write(ino, handle, 0, world.random.bytes(3_000_000), caller)
  await device.write('/other', 0, world.random.bytes(1000))
  await device.sync.syncNow()
  t.deepEqual(await seenElsewhere(world), await device.dump())
  await tree.write(ino, handle, 1_000_000, world.random.bytes(3_000_000), caller)
  tree.release(ino, handle)
  for (let i = 0; i < 3; i++) {
    await device.write('/other', 0, world.random.bytes(1000))
    await device.sync.syncNow()
  }
  t.deepEqual(await seenElsewhere(world), await device.dump())
  await assertPinTreeIsExact(t, world)
})

test('a second device works on hard links it has loaded only in part', async (t) => {
  const { world, device } = await startDevice(t, 32)
  for (const folder of ['/a', '/b', '/c']) await device.makeDirectory(folder)
  for (const file of ['gone here', 'changed', 'moved']) {
    await device.write(`/a/${file}`, 0, world.random.bytes(150_000))
    await device.link(`/a/${file}`, `/b/${file}`)
  }
  await device.link('/a/changed', '/c/changed')
  await device.sync.syncNow()
  await device.close()
  const second = await RealDevice.next(world)
  t.teardown(async () => {
    await second.close()
    second.remove()
  })
  // Only /a is loaded.
  await second.write('/a/gone here', 1000, Buffer.from('changed through a name that goes'))
  await second.unlink('/a/gone here')
  await second.write('/a/changed', 0, Buffer.from('changed'))
  await second.rename('/a/moved', '/moved')
  await second.sync.syncNow()
  const seen = await seenElsewhere(world)
  t.regex(seen['/b/gone here']!, /^100644 1 /)
  t.deepEqual(seen, await second.dump())
  t.is((await second.find('/b/changed'))!.ino, (await second.find('/c/changed'))!.ino)
  // Now everything is loaded; the last names of the files are removed.
  await second.write('/b/gone here', 0, Buffer.from('once more'))
  await second.unlink('/c/changed')
  await second.sync.syncNow()
  t.deepEqual(await seenElsewhere(world), await second.dump())
  for (const path of ['/b/gone here', '/b/changed', '/a/changed', '/moved', '/b/moved']) await second.unlink(path)
  await second.sync.syncNow()
  await second.sync.syncNow()
  await world.node.collectGarbage()
  t.deepEqual(await seenElsewhere(world), await second.dump())
  await assertPinTreeIsExact(t, world)
})

test('S-003 a hard link whose last name was found late moves, multiplies and loses names on a second device, and a third sees it', async (t) => {
  const { world, device } = await startDevice(t, 33)
  for (const folder of ['/a', '/b', '/c', '/d', '/e']) await device.makeDirectory(folder)
  const files = ['moved', 'linked', 'edited', 'replaced', 'exchanged', 'open']
  for (const file of files) {
    await device.write(`/a/${file}`, 0, world.random.bytes(150_000))
    await device.link(`/a/${file}`, `/b/${file}`)
  }
  await device.sync.syncNow()
  await device.close()
  const second = await RealDevice.next(world)
  t.teardown(async () => {
    await second.close()
    second.remove()
  })
  const agrees = async (what: string): Promise<void> => {
    await second.sync.syncNow()
    await world.node.collectGarbage()
    t.deepEqual(await seenElsewhere(world), await second.dump(), what)
  }
  // The only loaded name is removed. One file is open meanwhile, and gets a new name while none of its names is known.
  const { ino } = (await second.find('/a/open'))!
  const { handle } = await second.tree.open(ino, OPEN.READ_WRITE, caller)
  for (const file of files) await second.unlink(`/a/${file}`)
  t.is((await second.tree.getAttributes(ino, caller)).nlink, 1)
  const { ino: folder } = (await second.find('/d'))!
  t.is((await second.tree.link(ino, folder, nameFromText('open'), caller)).nlink, 2)
  await second.tree.write(ino, handle, 1000, Buffer.from('written without a name in sight'), caller)
  second.tree.release(ino, handle)
  // Now the other names are loaded.
  await second.rename('/b/moved', '/c/moved')
  await second.link('/c/moved', '/d/moved')
  await second.link('/c/moved', '/e/moved')
  await second.link('/b/linked', '/c/linked')
  await second.unlink('/b/linked')
  await second.write('/b/edited', 140_000, world.random.bytes(50_000), { sync: true })
  await second.write('/c/new', 0, world.random.bytes(150_000))
  await second.rename('/c/new', '/b/replaced')
  await second.rename('/b/exchanged', '/b/edited', 2)
  for (const [path, links] of Object.entries({
    '/d/moved': 3,
    '/c/linked': 1,
    '/b/edited': 1,
    '/b/replaced': 1,
    '/d/open': 2,
  }))
    t.is((await second.find(path))!.nlink, links, path)
  await agrees('published at once')
  await second.unlink('/c/moved')
  await agrees('one name of three less')
  await second.unlink('/e/moved')
  await agrees('one name is left')
  await second.close()
  await second.open()
  await second.chmod('/d/moved', 0o600)
  await second.unlink('/b/open')
  await agrees('after a new start')
  await second.rename('/d/open', '/open')
  await second.link('/open', '/a/open')
  await second.unlink('/open')
  await agrees('a name more and one less')
  await second.sync.syncNow()
  await assertPinTreeIsExact(t, world)
})
