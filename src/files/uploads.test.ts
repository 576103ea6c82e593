import test from 'ava'
import { countsAndTables } from '../../test/support/vfs/counts-and-tables.js'
import { scratchDrive, type OpenDrive } from '../../test/support/vfs/drive.js'
import { MIB, seededRandom } from '../base/index.js'
import { openFiles } from './open-files.js'
import { writeStream, type FilesSession } from './index.js'

function filesOf({ tree, unnamed, identities, changes }: OpenDrive): FilesSession {
  const listen = (listener: Parameters<typeof changes.listen>[0]): (() => void) => changes.listen(listener)
  const random = seededRandom(3)
  return openFiles({ tree, unnamed, identities, listen, invalidate: () => undefined, random, uid: 7, gid: 8 })
}

/** The keys of all rows that a file may leave. */
function rowsOf(on: OpenDrive): string[] {
  const tables = ['inodes', 'chunks', 'pages', 'foreign', 'state', 'links', 'ids']
  const keysOf = (table: string): string[] =>
    [...on.meta.table(table, { sealed: true }).range()].map(([key]) => `${table} ${Buffer.from(key).toString('hex')}`)
  return tables.flatMap(keysOf)
}

const MORE_ROOM = { handle: 100, ino: 100, onFound: () => undefined }

for (const takeOver of [undefined, MORE_ROOM]) {
  test(`S-092 an unfinished upload has no name, and a kill leaves no row of it${takeOver ? ', with the mount kept' : ''}`, async (t) => {
    const scratch = scratchDrive()
    const drive = await scratch.open()
    const files = filesOf(drive)
    t.teardown(async () => {
      await files.closeAll()
      await drive.shut()
      scratch.remove()
    })
    await writeStream(files, 'doc', [Buffer.from('old')], { origin: 'test' })
    await drive.port.flush()
    const before = rowsOf(drive)
    const uploads = [await files.beginWrite('doc', {}, 'test'), await files.beginWrite('new', {}, 'test')]
    for (const upload of uploads) {
      await files.append(upload, seededRandom(9).bytes(3 * MIB))
      await files.append(upload, seededRandom(8).bytes(500))
    }
    await drive.port.flush()
    t.true(rowsOf(drive).length > before.length + 4, 'it was staged')
    t.deepEqual(
      (await files.list({ path: '' }, { limit: 9 })).entries.map((entry) => entry.name),
      ['doc'],
    )
    t.like((await drive.port.counts()).total, { files: 1, bytes: 3 })

    const copy = scratch.crashCopy()
    const next = await copy.open({ takeOver })
    if (takeOver) next.tree.redo?.end({ ino: 0, handle: 0 })
    await next.port.flush()
    t.deepEqual(rowsOf(next), before)
    const { counted, inTables } = await countsAndTables(next)
    t.deepEqual(counted, inTables)
    await next.port.discardUnpublished()
    t.true(next.blocks.usage.usedBytes < MIB)
    await next.shut()
    copy.remove()

    for (const upload of uploads) await files.commit(upload)
    await drive.port.flush()
    const now = await countsAndTables(drive)
    t.deepEqual(now.counted, now.inTables, 'of files that got their names')
    t.is((now.counted as { total: { files: number } }).total.files, 2)
    t.deepEqual(
      rowsOf(drive).filter((row) => row.startsWith(`state ${Buffer.from('orphan').toString('hex')}`)),
      [],
    )
  })
}
