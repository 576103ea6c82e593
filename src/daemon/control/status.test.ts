import { hostname } from 'node:os'
import test from 'ava'
import type { SyncStatus } from '../../sync/index.js'
import type { DriveCounts } from '../../tree-state/index.js'
import { copiesOf, levelsReportOf, nodeReportFrom, queueReportOf } from './status.js'

const nothing = { files: 0, bytes: 0 }
const scrub = { open: 0, lost: 0, missing: 0 }
const sync = { phase: 'idle', nextTryMs: undefined, lastError: undefined, scrub } as unknown as SyncStatus
const countsWith = (dirtyInodes: number): DriveCounts =>
  ({ held: nothing, staged: nothing, total: nothing, dirtyInodes }) as unknown as DriveCounts

test('S-021 the queue is not idle while there are changes, even if sync has not noticed them yet (R-12)', (t) => {
  t.is(queueReportOf(countsWith(3), sync, 0).state, 'waiting')
  t.is(queueReportOf(countsWith(3), { ...sync, phase: 'paused' }, 0).state, 'stopped')
  t.is(queueReportOf(countsWith(0), sync, 0).state, 'idle')
})

test('S-165 only files of the version that is being published count as stored, and only when the node has all of it', (t) => {
  const counts = {
    held: { files: 1, bytes: 10 },
    staged: { files: 5, bytes: 500 },
    frozen: { sequence: 7, files: 3, bytes: 300 },
    total: { files: 9, bytes: 1000 },
    isPartial: false,
  } as DriveCounts
  const report = (
    phase: SyncStatus['phase'],
    sequence: number,
    done: number,
  ): readonly [staged: number, stored: number, storedBytes: number, published: number] => {
    const { staged, stored, published } = levelsReportOf(counts, {
      ...sync,
      phase,
      sequence,
      bytes: { done, total: 4 },
    })
    return [staged.files, stored.files, stored.bytes, published.files]
  }
  t.deepEqual(report('idle', 7, 4), [5, 0, 0, 3])
  t.deepEqual(report('uploading', 7, 2), [5, 0, 150, 3])
  t.deepEqual(report('pinning', 7, 4), [2, 3, 300, 3])
  t.deepEqual(report('pinning', 8, 4), [5, 0, 0, 3], 'of another version')
})

test('S-181 while the node lacks the published version, no file counts as published', (t) => {
  const counts = {
    held: { files: 1, bytes: 10 },
    staged: { files: 5, bytes: 500 },
    frozen: { sequence: 7, files: 0, bytes: 0 },
    total: { files: 9, bytes: 1000 },
    isPartial: false,
  } as DriveCounts
  const report = (isLostByNode: boolean): Partial<ReturnType<typeof levelsReportOf>> =>
    levelsReportOf(counts, { ...sync, isLostByNode })
  t.like(report(false), { staged: { files: 5, bytes: 500 }, published: { files: 3, bytes: 490 } })
  t.like(report(true), { staged: { files: 8, bytes: 990 }, published: { files: 0, bytes: 0 } })
})

test('S-167 S-213 whether a copy is on this machine is known without an answer of the node', (t) => {
  const head = { height: 1 } as SyncStatus['published']
  const unheard = { ...sync, published: head, node: { state: 'unreachable' } } as SyncStatus
  for (const [address, isHere] of [
    ['http://127.0.0.1:5001', true],
    ['http://[::1]:5001', true],
    ['http://0.0.0.0:5001', true],
    ['http://[::]:5001', true],
    [`http://${hostname()}:5001`, true],
    ['https://localhost/kubo', true],
    ['unix:///run/kubo.sock', true],
    ['file:///mnt/disk', true],
    ['embedded', true],
    ['https://home-server.example:5001', false],
  ] as const) {
    const node = nodeReportFrom(unheard, address, '/home/node')
    t.deepEqual(copiesOf(unheard, node), [{ where: node.where, sameMachine: isHere }], address)
    t.deepEqual(copiesOf({ ...unheard, isLostByNode: true }, node), [], 'the node has lost it')
    for (const found of [{ open: 1 }, { lost: 1 }])
      t.deepEqual(
        copiesOf({ ...unheard, scrub: { ...unheard.scrub, ...found } }, node),
        [],
        'S-213 a check found damage',
      )
  }
})
