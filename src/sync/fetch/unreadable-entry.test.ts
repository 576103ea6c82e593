import test from 'ava'
import { publishForged } from '../../../test/support/sync/forged-tree.js'
import { World } from '../../../test/support/sync/world.js'
import { randomEntry } from '../../../test/support/dag/blocks.js'
import { MIB } from '../../base/index.js'
import { buildMap, encodeEntry, readMap, type Block } from '../../dag/index.js'
import { SyncState } from '../state/sync-state.js'
import { openExisting } from './open-existing.js'

const BAD = Uint8Array.of(0x81, 2)
const BAD_ROW = [Buffer.from('bad'), BAD] as const

test('S-112 an entry that cannot be decoded fails alone: the others are there, and new versions keep its bytes', async (t) => {
  const w = await World.open(760)
  t.teardown(() => w.close())
  const device = await w.firstDevice()
  await device.drive.write('/mine', w.random.bytes(20_000))
  await (await device.start()).syncNow()
  await device.stop()
  await publishForged(w, 1, (rows) => void rows.set('bad', BAD))
  t.true(await device.takeOver())
  const sync = await device.start()
  await sync.syncNow()
  t.deepEqual(
    Object.keys(await device.drive.dump()).filter((path) => /mine|bad/.test(path)),
    ['/mine'],
  )
  t.regex(sync.status().warnings.join(), /cannot be read and are not shown/)
  for (const name of ['/new', '/newer']) {
    await device.drive.write(name, w.random.bytes(1000))
    await sync.syncNow()
    const { version } = await openExisting(w)
    const { content } = version.commit.root
    const rows = new Map<string, Uint8Array>()
    if (content.kind === 'tree')
      for await (const [key, value] of readMap(content.ref, w.fetch))
        rows.set(Buffer.from(key).toString(), Uint8Array.from(value))
    t.deepEqual(rows.get('bad'), BAD, 'kept byte for byte')
    t.true(rows.has('mine') && rows.has(name.slice(1)))
  }
  const findings: (string | undefined)[] = []
  const request = { repair: false, signal: new AbortController().signal, onProgress: () => undefined }
  await sync.check({ ...request, node: false, onFinding: ({ path }) => void findings.push(path) })
  t.deepEqual(findings, ['bad'], 'fsck names it')
  await sync.check({
    ...request,
    node: true,
    onFinding: ({ path, where }) => void (where === 'node' && findings.push(path)),
  })
  t.deepEqual(findings, ['bad', 'bad'])
})

test('S-153 the memory of a new version does not grow with the undecodable entries of its directory', async (t) => {
  const w = await World.open(764)
  t.teardown(() => w.close())
  const device = await w.firstDevice()
  await device.drive.write('/mine', w.random.bytes(20_000))
  await (await device.start()).syncNow()
  await device.stop()
  const names = Array.from({ length: 3000 }, (_, i) => `bad${i}`)
  await publishForged(w, 1, (rows) => names.forEach((name) => rows.set(name, new Uint8Array(5000).fill(0x82))))
  t.true(await device.takeOver())
  const sync = await device.start()
  for (const path of ['/new', '/newer']) {
    await device.drive.write(path, w.random.bytes(1000))
    await sync.syncNow()
  }
  const { root } = (await openExisting(w)).version.commit
  const rows = new Set<string>()
  if (root.content.kind === 'tree')
    for await (const [key] of readMap(root.content.ref, w.fetch)) rows.add(Buffer.from(key).toString())
  t.deepEqual(
    [...names, 'mine', 'new', 'newer'].filter((name) => !rows.has(name)),
    [],
    'the new version has all of them',
  )
  const state = new SyncState(device.queue)
  t.is([...state.tables.unreadable.keys()].length, names.length, 'those of older versions are gone')
  t.true(device.queue.mostPendingBytes < 8 * MIB, `${device.queue.mostPendingBytes} bytes in one commit`)
})

test('S-156 fsck names an undecodable entry with its folder, once, also after new versions', async (t) => {
  const w = await World.open(765)
  t.teardown(() => w.close())
  const device = await w.firstDevice()
  await device.drive.write('/mine', w.random.bytes(20_000))
  await (await device.start()).syncNow()
  await device.stop()
  await publishForged(w, 1, (rows) => {
    const good = encodeEntry(randomEntry(w.random, { kind: 'inline', bytes: w.random.bytes(9) }))
    const within = (name: string): readonly Block[] => {
      const map = buildMap([BAD_ROW, [Buffer.from('good'), good]], { random: w.random })
      const folder = randomEntry(w.random, { kind: 'tree', ref: map.ref }, 0o040000)
      rows.set(name, encodeEntry({ ...folder, size: 0, nlink: 2 }))
      return map.blocks
    }
    return ['folder', 'other'].flatMap(within)
  })
  t.true(await device.takeOver())
  const sync = await device.start()
  await device.drive.dump()
  for (const name of ['/folder/new', '/folder/newer']) {
    await device.drive.write(name, w.random.bytes(1000))
    await sync.syncNow()
    const findings: (string | undefined)[] = []
    const request = { repair: false, node: false, signal: new AbortController().signal, onProgress: () => undefined }
    await sync.check({ ...request, onFinding: ({ path }) => void findings.push(path) })
    t.deepEqual(findings.sort(), ['folder/bad', 'other/bad'])
  }
})

test('S-114 a body that is not as long as its size, and attributes that no kernel lists, fail alone', async (t) => {
  const w = await World.open(762)
  t.teardown(() => w.close())
  const device = await w.firstDevice()
  await device.drive.write('/mine', w.random.bytes(20_000))
  await (await device.start()).syncNow()
  await device.stop()
  const good = randomEntry(w.random, { kind: 'inline', bytes: w.random.bytes(9) })
  const long = { name: `user.${'x'.repeat(251)}`, value: w.random.bytes(1) }
  await publishForged(w, 1, (rows) => {
    rows.set('good', encodeEntry(good))
    rows.set('huge', encodeEntry({ ...good, size: 2 ** 50 }))
    rows.set('short', encodeEntry({ ...good, size: 8 }))
    rows.set('xattr', encodeEntry({ ...good, xattrs: [long] }))
  })
  t.true(await device.takeOver())
  const sync = await device.start()
  const shown = Object.keys(await device.drive.dump()).filter((path) => path !== '')
  t.deepEqual(shown, ['/good', '/mine'])
  await device.drive.write('/new', w.random.bytes(1000))
  await sync.syncNow()
  t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
})

test('S-146 an entry as large as a block, and a root as large as a commit takes, do not stop publishing', async (t) => {
  const w = await World.open(763)
  t.teardown(() => w.close())
  const device = await w.firstDevice()
  await device.drive.write('/mine', w.random.bytes(20_000))
  await (await device.start()).syncNow()
  await device.stop()
  const plain = randomEntry(w.random, { kind: 'inline', bytes: w.random.bytes(9) })
  const values = (count: number): typeof plain.xattrs =>
    Array.from({ length: count }, (_, i) => ({ name: `user.${i + 10}`, value: new Uint8Array(65_000) }))
  await publishForged(w, 1, (rows) => void rows.set('full', encodeEntry({ ...plain, xattrs: values(16) })))
  const { version } = await openExisting(w)
  const root = { ...version.commit.root, xattrs: values(2) }
  await publishForged(w, 1, () => undefined, false, { root })
  t.true(await device.takeOver())
  const sync = await device.start()
  t.deepEqual(
    Object.keys(await device.drive.dump()).filter((path) => path !== ''),
    ['/mine'],
  )
  await device.drive.write('/new', w.random.bytes(1000))
  await sync.syncNow()
  t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
})

test('S-113 a version whose root directory cannot be decoded is not taken over, and the tree here stays', async (t) => {
  const w = await World.open(761)
  t.teardown(() => w.close())
  const device = await w.firstDevice()
  await device.drive.write('/mine', w.random.bytes(20_000))
  await (await device.start()).syncNow()
  await device.stop()
  const before = await device.drive.dump()
  await publishForged(w, 1, () => undefined, true)
  await t.throwsAsync(device.takeOver(), { code: 'CORRUPT' })
  t.deepEqual(await device.drive.dump(), before)
})
