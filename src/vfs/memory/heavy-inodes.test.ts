import test from 'ava'
import { KIB, MIB } from '../../base/index.js'
import { caller, createFile, name, scratchDrive } from '../../../test/support/vfs/drive.js'
import { record } from '../../../test/support/vfs/remote.js'
import { Inode } from '../inodes/inode.js'
import { InodeCache } from '../inodes/inode-cache.js'

const attributes = (bytes: number): Pick<Inode, 'xattrs'> => ({
  xattrs: [{ name: 'user.a', value: Buffer.alloc(bytes) }],
})
const heavy = (ino: number, bytes = 90 * KIB): Inode => new Inode(record(0o100644, { ino, ...attributes(bytes) }), true)

test('S-064 inodes with large attributes or inline bodies are dropped by their bytes, and those used last stay', (t) => {
  const cache = new InodeCache()
  for (let ino = 1; ino <= 100; ino++) cache.add(new Inode(record(0o100644, { ino }), true))
  let most = 0
  for (let ino = 1001; ino <= 3000; ino++) {
    cache.add(heavy(ino))
    cache.use(ino - 10)
    most = Math.max(most, cache.heavyBytes)
  }
  t.true(most <= 33 * MIB)
  t.true(cache.heavyBytes > 20 * MIB)
  t.true(cache.size < 100 + 400)
  for (let ino = 2901; ino <= 3000; ino++) t.not(cache.peek(ino), undefined)
  t.not(cache.peek(1), undefined, 'one without attributes takes no room')
  for (const inode of cache.all()) {
    inode.inline = undefined
    inode.xattrs = []
    cache.weigh(inode)
  }
  t.is(cache.heavyBytes, 0)
  const body = new Inode(record(0o100644, { ino: 4000, inline: Buffer.alloc(60 * KIB) }), true)
  cache.add(body)
  t.is(cache.heavyBytes, 60 * KIB)
  cache.delete(4000)
  t.is(cache.heavyBytes, 0)
})

test('S-064 an inode that is open or changed stays in memory, whatever its attributes take', (t) => {
  const cache = new InodeCache()
  const changed = heavy(1)
  changed.changed = true
  cache.add(changed)
  for (let ino = 2; ino <= 2000; ino++) cache.add(heavy(ino))
  t.is(cache.peek(1), changed)
})

test('S-005 S-064 large attributes of many files begin commits, and the memory of changes and of the cache stays bounded', async (t) => {
  const scratch = scratchDrive()
  const drive = await scratch.open()
  t.teardown(async () => {
    await drive.shut()
    scratch.remove()
  })
  const { tree } = drive
  const value = Buffer.alloc(60_000, 7)
  const inos: number[] = []
  for (let i = 0; i < 450; i++) {
    const { ino } = await tree.makeNode(1, name(`f${i}`), 0o100644, 0, caller)
    inos.push(ino)
    await tree.setXattr(ino, 'user.a', value, 0, caller)
    await tree.setXattr(ino, 'user.b', value.subarray(0, 30_000), 0, caller)
    t.true(drive.meta.pendingBytes < 32 * MIB)
  }
  await createFile(tree, 'last')
  for (const ino of inos) t.is((await tree.getXattr(ino, 'user.a', caller)).length, 60_000)
  for (const ino of inos) await tree.setAttributes(ino, { mode: 0o600 }, undefined, caller)
  t.true(drive.meta.pendingBytes < 32 * MIB)
  for (const ino of inos) {
    t.is((await tree.getAttributes(ino, caller)).mode & 0o777, 0o600)
    t.is((await tree.listXattrs(ino, caller)).length, 2)
  }
})
