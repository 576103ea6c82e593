/** Checks the whole drive, from the local rows to the names on the node, and repairs it on request. */
import { DriveError, equalBytes, isDriveError, throwIfAborted, type Digest } from '../../base/index.js'
import { cidOf } from '../../dag/index.js'
import type { CheckProgress, CheckReport, CheckRequest, CheckFinding } from './contract.js'
import type { CheckParts } from './parts.js'
import {
  damagedIn,
  damageOf,
  forget,
  isOfVersion,
  recheckDamage,
  putDamage,
  readPending,
  type DamagedRow,
} from './damage.js'
import type { Head, SyncState } from '../state/sync-state.js'
import { checkHere } from './here.js'
import { classifyDamage } from './classify-damage.js'
import { checkLiveBlocks } from './live-blocks.js'
import { walkPublished } from './published-tree.js'
import { forgetRounds } from './repair-rounds.js'
import { resealDamaged } from './reseal.js'
import { sendAgain } from './send-again.js'
import { checkNames, checkPinTree, rootCid, type Wrong } from './version-at-node.js'

/** @throws OFFLINE and similar errors if the check needs the node and the node does not answer */
export async function checkDrive(parts: CheckParts, request: CheckRequest): Promise<CheckReport> {
  const counts = { checkedHere: 0, checkedNode: 0, open: 0, healed: 0, lost: 0 }
  const report = (finding: CheckFinding): void => {
    counts[finding.outcome]++
    request.onFinding(finding)
  }
  const progress = (phase: CheckProgress['phase'], done: number, total = 0): void =>
    request.onProgress({ phase, done, total })
  await checkHere(parts, { ...request, onFinding: report }, (blocks) =>
    progress('here', (counts.checkedHere += blocks)),
  )
  if (!request.node) return counts
  await requireKnownVersion(parts, request.signal)
  const { head } = parts.state
  if (head === undefined) return counts // nothing was ever published
  await recheckDamage(parts, request.signal)
  const wrong = await checkNames(head, parts, request.signal)
  wrong.push(...(await checkPinTree(head, parts, request.signal)))
  await checkLiveBlocks(parts, request.signal, (blocks) =>
    progress('node', (counts.checkedNode += blocks), head.commit.liveBlocks),
  )
  const isDoubted = request.repair && (await doubtLive(head, wrong, parts, request.signal))
  const refusal = request.repair
    ? await repairUnlessAhead(parts, isDoubted || wrong.length > 0, request.signal, (done) => progress('repair', done))
    : undefined
  await classifyDamage(parts, true)
  const stillWrong =
    wrong.length > 0 && request.repair ? await checkNames(parts.state.head ?? head, parts, request.signal) : wrong
  for (const { kind, what } of wrong) {
    const isHealed = !stillWrong.some((one) => one.kind === kind && one.what === what)
    report({ ...NOBODY, kind, what, cid: rootCid(head), outcome: isHealed ? 'healed' : 'open' })
  }
  await reportDamage(parts, request.signal, report, (done) => progress('tree', done))
  // Only now: what is damaged has been named.
  if (refusal !== undefined) throw refusal
  return counts
}

/**
 * An earlier program believed the pin tree of another device, so blocks of the tree may be in no pin. Then the next
 * publish counts the tree again.
 */
async function doubtLive(
  head: Head,
  wrong: readonly Wrong[],
  parts: CheckParts,
  signal: AbortSignal,
): Promise<boolean> {
  let isDoubted = wrong.some(({ what }) => what === 'pin tree')
  const nothing = (): void => undefined
  const onUnpinned = (): void => void (isDoubted = true)
  if (!isDoubted)
    await walkPublished(head, { parts, signal, onFinding: nothing, onEntry: nothing, onNamed: nothing, onUnpinned })
  if (!isDoubted) return false
  parts.state.put('isLiveDoubted', true)
  await parts.state.queue.commit()
  return true
}

/** @returns DIVERGED if another device is ahead; then nothing more can be repaired */
async function repairUnlessAhead(...given: Parameters<typeof repairNode>): Promise<DriveError | undefined> {
  try {
    await repairNode(...given)
    return undefined
  } catch (error) {
    if (isDriveError(error, 'DIVERGED')) return error
    throw error
  }
}

/** Publishes if the local tables do not describe the current version completely; any publish completes them. */
export async function requireKnownVersion({ state, publish }: CheckParts, signal: AbortSignal): Promise<void> {
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
  forgetRounds(parts.state)
  // First restore the pin, the names and the blocks that the node reports as missing.
  if (isUnheld) await parts.publish(signal).catch(unlessLost)
  let sent = 0
  await sendAgain(parts, signal, (blocks) => onDone((sent += blocks)))
  if (damagedIn(['open'], parts.state).next().done === true) return
  // Publishing checks whether another device is ahead. A repair may change the tree only if none is.
  await parts.publish(signal)
  if (parts.publisher.newer !== undefined) {
    throw new DriveError(
      'DIVERGED',
      'Another device has published on top of the version here. Unmount, mount again and repeat the repair.',
    )
  }
  const around = blocksAround(parts.state)
  if (!(await resealDamaged(parts, signal))) return
  await parts.publish(signal)
  await readBack(around, parts, signal)
}

/** Blocks that neither the node nor this machine has are reported later. */
function unlessLost(error: unknown): void {
  if (!isDriveError(error, 'NOT_FOUND')) throw error
}

/** Damaged blocks that are not chunks. The next version replaces them. */
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

/** Checks that the blocks published as replacements are readable, and that the pin tree has changed. */
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

async function reportDamage(
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

/** Blocks reported with the path of a file are not reported twice. Beyond this number, some are. */
const MOST_NAMED = 100_000
const WHAT = { raw: 'block', 'dag-pb': 'pin tree' } as const
const NOBODY = { where: 'node', path: undefined, fileId: undefined, blocks: 1 } as const
