import test from 'ava'
import { nameFromText, type PlainName } from '../../base/index.js'
import { caller, find, scratchDrive } from '../../../test/support/vfs/drive.js'
import { freshRoot, record, ref, world } from '../../../test/support/vfs/remote.js'
import type { DirectoryPage, RemoteChild, RemoteSource } from '../../tree-state/index.js'
import { codeOf } from '../../../test/support/vfs/drive.js'

const MIB = 1024 * 1024
const PAGE = 1000

const nameOf = (i: number): PlainName => nameFromText(`entry ${String(i).padStart(6, '0')} ${'x'.repeat(60)}`)

function child(i: number): RemoteChild {
  const fileId = Buffer.alloc(16)
  fileId.writeUInt32BE(i, 0)
  return {
    name: nameOf(i),
    record: record(0o100644, { size: 10, fileId, inline: Buffer.alloc(10, i) }),
    chunks: undefined,
  }
}

/** A directory of `count` entries that are generated on request. */
function bomb(count: number, asked: (from: number) => void): RemoteSource {
  const loadDirectory: RemoteSource['loadDirectory'] = ({ after }): Promise<DirectoryPage> => {
    const from = after === undefined ? 0 : Number(after.slice(6, 12)) + 1
    asked(from)
    const children = Array.from({ length: Math.min(PAGE, count - from) }, (_, i) => child(from + i))
    return Promise.resolve({ children, isLast: from + PAGE >= count })
  }
  return { ...world().source, loadDirectory }
}

test('S-038 a directory of 60,000 entries from another device loads page by page, with bounded memory', async (t) => {
  t.timeout(10 * 60_000)
  const count = 60_000
  const scratch = scratchDrive()
  let mostPending = 0
  let pages = 0
  const drive = await scratch.open({
    remote: bomb(count, () => {
      pages++
      mostPending = Math.max(mostPending, drive.meta.pendingBytes)
    }),
    freshRoot,
  })
  t.truthy(await find(drive.tree, nameOf(count - 1)))
  t.is(pages, count / PAGE)
  t.log(`${(mostPending / MIB).toFixed(1)} MiB pending at most`)
  t.true(mostPending < 10 * MIB)
  t.is((await drive.port.counts()).total.files, count)
  await drive.shut()
  scratch.remove()
})

test('S-038 a load interrupted by a crash continues where it stopped: no entry twice, none missing', async (t) => {
  const count = 12_000
  const scratch = scratchDrive()
  const first = await scratch.open({
    remote: bomb(count, (from) => {
      if (from >= 9_000) throw new Error('The node is away.')
    }),
    freshRoot,
  })
  await codeOf(() => find(first.tree, nameOf(0)))
  await first.port.flush()
  const crashed = scratch.crashCopy()
  const begins: number[] = []
  const second = await crashed.open({ remote: bomb(count, (from) => begins.push(from)), freshRoot })
  t.truthy(await find(second.tree, nameOf(0)))
  t.deepEqual(begins, [9_000, 10_000, 11_000])
  const seen = new Set<string>()
  const root = await second.tree.openDirectory(1, caller)
  let cookie = 0
  for (let more = true; more;) {
    more = false
    await second.tree.readDirectory(
      1,
      root.handle,
      {
        cookie,
        withAttributes: false,
        visit: (entry) => {
          cookie = entry.cookie
          more = true
          t.false(seen.has(entry.name))
          seen.add(entry.name)
          return seen.size % 5000 !== 0
        },
      },
      caller,
    )
  }
  t.is(seen.size, count)
  t.is((await second.port.counts()).total.files, count)
  await second.shut()
  crashed.remove()
  await first.shut()
  scratch.remove()
})

test('S-038 a partly loaded chunk list leaves no rows behind when its file is removed', async (t) => {
  const scratch = scratchDrive()
  const long = {
    name: nameFromText('long'),
    record: record(0o100644, { size: 3 * PAGE, ref: ref(50), unloaded: true, fileId: Buffer.alloc(16, 9) }),
    chunks: undefined,
  }
  const remote: RemoteSource = {
    ...world().source,
    loadDirectory: () => Promise.resolve({ children: [long], isLast: true }),
    loadChunks: ({ after }) => {
      if (after !== undefined) return Promise.reject(new Error('The node is away.'))
      const digest = Buffer.alloc(32, 5)
      const chunks = Array.from({ length: PAGE }, (_, i) => ({ offset: i, length: 1, skip: i, digest, key: digest }))
      return Promise.resolve({ chunks, isLast: false })
    },
  }
  const drive = await scratch.open({ remote, freshRoot })
  const { ino } = (await find(drive.tree, 'long'))!
  const { handle } = await drive.tree.open(ino, 0, caller)
  await codeOf(async () => void (await drive.tree.read(ino, handle, 0, 10, caller)))
  t.is([...drive.meta.table('chunks', { sealed: true }).range()].length, PAGE)
  drive.tree.release(ino, handle)
  drive.tree.forget(ino, 1)
  await drive.tree.unlink(1, nameFromText('long'), caller)
  await drive.port.flush()
  t.is([...drive.meta.table('chunks', { sealed: true }).range()].length, 0)
  const removed = [...drive.meta.table('removed', { sealed: true }).range()]
  t.deepEqual(
    removed.map(([, row]) => row.at(-1)),
    [1],
    'the list is removed as a whole, no row by itself',
  )
  await drive.shut()
  scratch.remove()
})
