/** One check of the whole drive, from the rows here to the names on the node, and the repairs. */
import { DriveError, equalBytes, isDriveError, throwIfAborted, type Digest } from '../../base/index.js'
import { cidOf } from '../../dag/index.js'
import type { CheckProgress, CheckReport, CheckRequest, CheckFinding } from './contract.js'
import type { CheckParts } from './parts.js'
import {
  damagedIn,
  damageOf,
  forget,
  isOfVersion,
  lookAgain,
  putDamage,
  readPending,
  type DamagedRow,
} from './damage.js'
import type { SyncState } from '../state/sync-state.js'
import { checkHere } from './here.js'
import { judge } from './judge.js'
import { checkLiveBlocks } from './live-blocks.js'
import { walkPublished } from './published-tree.js'
import { sealAnew } from './seal-anew.js'
import { sendAgain } from './send-again.js'
import { checkNames, checkPinTree, rootCid } from './version-at-node.js'

/** @throws OFFLINE and the like where the node is asked for and does not answer */
export async function checkDrive(parts: CheckParts, request: CheckRequest): Promise<CheckReport> {
  const counts = { checkedHere: 0, checkedNode: 0, open: 0, healed: 0, lost: 0 }
  const tell = (finding: CheckFinding): void => {
    counts[finding.outcome]++
    request.onFinding(finding)
  }
  const say = (phase: CheckProgress['phase'], done: number, total = 0): void =>
    request.onProgress({ phase, done, total })
  await checkHere(parts, { ...request, onFinding: tell }, (blocks) => say('here', (counts.checkedHere += blocks)))
  if (!request.node) return counts
  await requireKnownVersion(parts, request.signal)
  const { head } = parts.state
  if (head === undefined) return counts // nothing was ever published
  await lookAgain(parts, request.signal)
  const wrong = await checkNames(head, parts, request.signal)
  wrong.push(...(await checkPinTree(head, parts, request.signal)))
  await checkLiveBlocks(parts, request.signal, (blocks) =>
    say('node', (counts.checkedNode += blocks), head.commit.liveBlocks),
  )
  if (request.repair) await repairNode(parts, wrong.length > 0, request.signal, (done) => say('repair', done))
  await judge(parts, true)
  const stillWrong =
    wrong.length > 0 && request.repair ? await checkNames(parts.state.head ?? head, parts, request.signal) : wrong
  for (const { kind, what } of wrong) {
    const isHealed = !stillWrong.some((one) => one.kind === kind && one.what === what)
    tell({ ...NOBODY, kind, what, cid: rootCid(head), outcome: isHealed ? 'healed' : 'open' })
  }
  await nameDamage(parts, request.signal, tell, (done) => say('tree', done))
  return counts
}

/** What this device knows of the version it is at is all there, as it is after any publish. */
async function requireKnownVersion({ state, publish }: CheckParts, signal: AbortSignal): Promise<void> {
  const { head, live } = state
  if (head !== undefined && live?.isComplete === true && Buffer.compare(live.root, head.root) === 0) return
  await publish(signal)
}

async function repairNode(
  parts: CheckParts,
  isUnheld: boolean,
  signal: AbortSignal,
  onDone: (blocks: number) => void,
): Promise<void> {
  // The pin and the names come back first, and blocks the node says it lacks.
  if (isUnheld) await parts.publish(signal).catch(unlessLost)
  let sent = 0
  await sendAgain(parts, signal, (blocks) => onDone((sent += blocks)))
  if (damagedIn(['open'], parts.state).next().done === true) return
  // Whether another device went on is asked again before the tree is changed.
  await parts.publish(signal)
  if (parts.publisher.newer !== undefined) {
    throw new DriveError(
      'DIVERGED',
      'Another device has published on top of the version here. Unmount and mount again, and repeat the repair.',
    )
  }
  const around = blocksAround(parts.state)
  if (!(await sealAnew(parts, signal))) return
  await parts.publish(signal)
  await readBack(around, parts, signal)
}

/** What neither the node nor this machine has is named later. */
function unlessLost(error: unknown): void {
  if (!isDriveError(error, 'NOT_FOUND')) throw error
}

/** Damaged blocks that are no chunks: the next version has others in their place. */
function blocksAround(state: SyncState): DamagedRow[] {
  const { head, tables } = state
  const around: DamagedRow[] = []
  for (const rows of damagedIn(['open', 'lost'], state)) {
    for (const row of rows) {
      const isCommit = head !== undefined && equalBytes(row.digest, head.commitDigest)
      if (row.codec === 'raw' && !isCommit && tables.nodes.get(row.digest) === undefined) continue
      if (around.push(row) === MOST_NAMED) return around
    }
  }
  return around
}

/** What was published instead of damaged blocks is there, and the pin tree is another one. */
async function readBack(around: readonly DamagedRow[], parts: CheckParts, signal: AbortSignal): Promise<void> {
  const { state } = parts
  for (const rows of damagedIn(['pending'], state)) {
    for (const row of rows) {
      throwIfAborted(signal)
      await readPending(row, parts, signal)
    }
  }
  for (const { digest } of around) forget(digest, state)
  if (state.head !== undefined) await checkPinTree(state.head, parts, signal)
  for (const row of around) {
    const isThere = row.codec === 'raw' ? isOfVersion(row, state) : damageOf(row.digest, state) !== undefined
    putDamage({ ...row, state: isThere ? 'open' : 'healed' }, state)
  }
  await state.queue.commit()
}

async function nameDamage(
  parts: CheckParts,
  signal: AbortSignal,
  tell: (finding: CheckFinding) => void,
  onEntries: (entries: number) => void,
): Promise<void> {
  const { state } = parts
  let entries = 0
  const named = new Set<string>()
  const onNamed = (digest: Digest): void => {
    if (named.size < MOST_NAMED) named.add(Buffer.from(digest).toString('latin1'))
  }
  const onEntry = (): void => onEntries(++entries)
  if (state.head !== undefined) await walkPublished(state.head, { parts, signal, onFinding: tell, onEntry, onNamed })
  for (const rows of damagedIn(['open', 'lost', 'healed'], state)) {
    for (const row of rows) {
      const isNamed = named.has(Buffer.from(row.digest).toString('latin1'))
      const outcome = row.state === 'lost' || row.state === 'healed' ? row.state : 'open'
      if (!isNamed)
        tell({ ...NOBODY, kind: row.kind, what: WHAT[row.codec], cid: cidOf(row.digest, row.codec), outcome })
      if (row.state === 'healed') forget(row.digest, state)
    }
  }
  await state.queue.commit()
}

/** Blocks told with the path of a file are not told again; beyond so many, some are. */
const MOST_NAMED = 100_000
const WHAT = { raw: 'block', 'dag-pb': 'pin tree' } as const
const NOBODY = { where: 'node', path: undefined, fileId: undefined, blocks: 1 } as const
