import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { createFile, scratchDrive } from '../../../test/support/vfs/drive.js'
import { until } from '../../../test/support/until.js'
import { createLoopback, encodeRequest } from '../../../test/support/fuse/loopback.js'
import { ROOT_INO } from '../../vfs/index.js'
import { OP } from '../protocol/protocol.js'
import { createJournal } from './journal.js'
import { clearLogMark, LogMark, markedSince, openLogMark, reserveLogMark } from './log-mark.js'
import { SHARED_BYTES, SharedState } from './shared-state.js'

test('S-172 the mark says since when the log has operations that are not on disk', (t) => {
  const written: (number | undefined)[] = []
  let nowMs = 100
  const mark = new LogMark(
    (sinceMs) => written.push(sinceMs),
    undefined,
    () => nowMs++,
  )
  mark.trimmed({ tail: 0, head: 0 })
  mark.logged()
  mark.logged()
  t.deepEqual(written, [100])
  mark.trimmed({ tail: 0, head: 50 }) // at 101
  mark.trimmed({ tail: 40, head: 90 })
  t.deepEqual(written, [100], 'operations of 100 may still be in it')
  mark.trimmed({ tail: 50, head: 90 })
  t.deepEqual(written, [100, 101])
  mark.trimmed({ tail: 90, head: 90 })
  mark.logged()
  t.deepEqual(written, [100, 101, undefined, 103])
})

test('S-172 the file of the mark keeps its size, and is written in place', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'dagdrive-mark-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'mark')
  t.is(await openLogMark(path), undefined)
  await reserveLogMark(path)
  const { ino, size } = statSync(path)
  const opened = (await openLogMark(path))!
  opened.mark.logged()
  opened.close()
  const sinceMs = await markedSince(path)
  t.is(typeof sinceMs, 'number')
  await reserveLogMark(path)
  t.is(await markedSince(path), sinceMs)
  t.deepEqual([statSync(path).ino, statSync(path).size], [ino, size])
  writeFileSync(path, readFileSync(path, 'latin1').replace(/"boot":"./, '"boot":"_'))
  t.is(await markedSince(path), undefined, 'the machine was started again')
  const again = (await openLogMark(path))!
  again.mark.logged()
  again.close()
  await clearLogMark(path)
  t.is(await markedSince(path), undefined)
  rmSync(path)
  mkdirSync(path)
  t.is(await markedSince(path), undefined)
  t.is(await openLogMark(path), undefined)
})

test('S-172 an operation is marked before its answer, until it is on disk', async (t) => {
  const scratch = scratchDrive()
  const drive = await scratch.open()
  t.teardown(async () => {
    await drive.shut()
    scratch.remove()
  })
  await createFile(drive.tree, 'before')
  await drive.port.flush()
  const state = new SharedState(new ArrayBuffer(SHARED_BYTES))
  state.begin('a mount')
  state.negotiated = { minor: 45, flags: 0, flags2: 1 << 7 }
  const loopback = createLoopback(drive.tree)
  loopback.session.takeOver(state.negotiated)
  let answersAtMark: number | undefined
  let isMarked = false
  const mark = new LogMark((sinceMs) => {
    isMarked = sinceMs !== undefined
    if (isMarked) answersAtMark = loopback.replies().length
  })
  const journal = createJournal(state, drive.tree, drive.tree.redo!, { releaseMemory: () => undefined, mark })
  loopback.session.journal = journal
  const replies = loopback.feed(encodeRequest(OP.UNLINK, ROOT_INO, Buffer.from('before\0'), 2))
  t.is(replies[0]?.readInt32LE(4), 0)
  t.true(isMarked)
  t.is(answersAtMark, 0)
  await drive.port.flush()
  t.true(await until(() => !isMarked))
  journal.close()
})
