import test from 'ava'
import type { SyncStatus } from '../../sync/index.js'
import type { DriveCounts } from '../../tree-state/index.js'
import { queueReportOf } from './status.js'

const nothing = { files: 0, bytes: 0 }
const sync = { phase: 'idle', nextTryMs: undefined, lastError: undefined } as unknown as SyncStatus
const countsWith = (dirtyInodes: number): DriveCounts =>
  ({ held: nothing, staged: nothing, total: nothing, dirtyInodes }) as unknown as DriveCounts

test('S-021 the queue is not idle while there are changes, even if sync has not noticed them yet (R-12)', (t) => {
  t.is(queueReportOf(countsWith(3), sync, 0).state, 'waiting')
  t.is(queueReportOf(countsWith(3), { ...sync, phase: 'paused' }, 0).state, 'stopped')
  t.is(queueReportOf(countsWith(0), sync, 0).state, 'idle')
})
