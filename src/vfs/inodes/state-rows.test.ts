import test from 'ava'
import { silentLog, systemClock } from '../../base/index.js'
import { openEnvironment } from '../../storage/kv/index.js'
import { dirtyKey } from '../../tree-state/index.js'
import { scratchDirectory, testSealer } from '../../../test/support/storage/storage.js'
import { SyncSignal } from '../staging/wake-publisher.js'
import { encodeDirty } from './dirty-row.js'
import { closeSequence, readState } from './state-rows.js'
import { TreeState } from './tree-state.js'

for (const [rows, isCounted] of [
  [1_000, true],
  [30_000, false],
] as const) {
  test(`S-021 S-064 ${rows} changed inodes are known at opening from their rows, ${isCounted ? 'each of which is read' : 'few of which are read'}`, async (t) => {
    const scratch = scratchDirectory()
    let opens = 0
    const sealer = testSealer()
    const open = (): ReturnType<typeof openEnvironment> =>
      openEnvironment({
        path: scratch.path,
        sealer: {
          ...sealer,
          open(aad, sealed) {
            opens++
            return sealer.open(aad, sealed)
          },
        },
        log: silentLog,
      })
    const before = open()
    const made = new TreeState(before, systemClock, new SyncSignal(() => undefined))
    const row = encodeDirty(1, { isFile: true, unpublishedBytes: 10 } as never)
    for (let i = 0; i < rows; i++) made.tables.dirty.put(dirtyKey(i + 2), row)
    // A counter that went wrong.
    made.counters.dirtyInodes = 5
    made.counters.dirtyFiles = rows
    made.counters.unpublishedBytes = rows * 10
    closeSequence(made)
    await before.commit()
    await before.close()

    const after = open()
    t.teardown(async () => {
      await after.close()
      scratch.remove()
    })
    opens = 0
    const state = new TreeState(after, systemClock, new SyncSignal(() => undefined))
    t.true(readState(state))
    t.is(state.counters.dirtyInodes, rows)
    t.is(state.counters.dirtyFiles, rows)
    t.is(state.counters.unpublishedBytes, rows * 10)
    t.is(opens >= rows, isCounted, `${opens} rows were read`)
  })
}
