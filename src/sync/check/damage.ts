/** The table of damaged blocks: adding rows, reading them a page at a time, deleting them. */
import { equalBytes, type Digest } from '../../base/index.js'
import { decodeDamaged, digestOf, encodeDamaged, type DamagedBlock, type DamageState } from '../../commits/index.js'
import { pagesOf } from '../../storage/kv/index.js'
import { isPinned } from '../publish/pin-version.js'
import type { SyncState } from '../state/sync-state.js'
import type { CheckParts } from './parts.js'
import { readFromNode } from './copies.js'

export interface DamagedRow extends DamagedBlock {
  readonly digest: Digest
}

const ROWS_A_PAGE = 64

/** Whether damaged blocks were found at the node that holds the version now. Another node is asked for them anew. */
export function isDamageHere({ damageNode, holder }: Pick<SyncState, 'damageNode' | 'holder'>): boolean {
  return damageNode === undefined || damageNode === holder
}

export function damageOf(digest: Digest, { tables }: Pick<SyncState, 'tables'>): DamagedBlock | undefined {
  const row = tables.damaged.get(digest)
  return row === undefined ? undefined : decodeDamaged(row)
}

export function putDamage({ digest, ...row }: DamagedRow, { tables }: Pick<SyncState, 'tables'>): void {
  tables.damaged.put(digest, encodeDamaged(row))
}

/** Rows in these states, a page at a time. The table may be changed and committed between two pages. */
export function* damagedIn(
  states: readonly DamageState[],
  { tables }: Pick<SyncState, 'tables'>,
): Generator<DamagedRow[], undefined> {
  for (const rows of pagesOf(tables.damaged, { pageRows: ROWS_A_PAGE })) {
    const found = rows
      .map(([digest, value]) => ({ digest: digestOf(digest), ...decodeDamaged(value) }))
      .filter(({ state }) => states.includes(state))
    if (found.length > 0) yield found
  }
}

/**
 * Reads back a block that was resealed and published. The local copy becomes evictable only if the node returned the
 * block.
 * @returns its new state; not durable yet
 */
export async function readPending(
  row: DamagedRow,
  parts: Pick<CheckParts, 'state' | 'port' | 'node' | 'core'>,
  signal: AbortSignal,
): Promise<'healed' | 'open'> {
  const { state, port } = parts
  const { kind } = await readFromNode(row.digest, row.codec, parts, signal)
  const next = kind === 'good' ? 'healed' : 'open'
  putDamage({ ...row, ...(kind !== 'good' && { kind }), state: next }, state)
  if (row.codec !== 'raw') return next
  if (next === 'open') await port.keepBlocks([row.digest])
  else if (isOfVersion(row, state)) await port.giveBack({ unused: [], published: [row.digest] })
  return next
}

/** Whether the block belongs to this device's current version: a live block, its commit, or a pin tree node. */
export function isOfVersion({ digest, codec }: Pick<DamagedRow, 'digest' | 'codec'>, state: SyncState): boolean {
  if (codec === 'dag-pb') return true
  const { head, tables } = state
  return tables.live.get(digest) !== undefined || (head !== undefined && equalBytes(head.commitDigest, digest))
}

/**
 * Records blocks that are damaged or missing on the node. The local copies are kept before any repair starts. Durable
 * when it resolves.
 */
export async function noteDamage(rows: readonly DamagedRow[], { state, port, log }: CheckParts): Promise<void> {
  if (rows.length === 0) return
  for (const row of rows) {
    const known = damageOf(row.digest, state)?.state
    if (row.state === 'exchange' || known === undefined || known === 'healed') putDamage(row, state)
  }
  state.put('damageNode', state.holder)
  await state.queue.commit()
  await port.keepBlocks(rows.filter(({ codec }) => codec === 'raw').map(({ digest }) => digest))
  log.warn('the node holds damaged blocks or lacks blocks', { blocks: rows.length })
}

/** Updates the results of earlier checks before a new check. */
export async function recheckDamage(parts: CheckParts, signal: AbortSignal): Promise<void> {
  const { state, port } = parts
  for (const rows of damagedIn(['healed', 'exchange'], state)) for (const { digest } of rows) forget(digest, state)
  for (const rows of damagedIn(['pending'], state)) {
    const published = rows.filter((row) => isOfVersion(row, state))
    for (const row of published) {
      if ((await readPending(row, parts, signal)) === 'healed') forget(row.digest, state)
    }
    // These blocks come from an interrupted repair. They are freed unless a row refers to them.
    const cutOff = rows.filter((row) => !published.includes(row)).map(({ digest }) => digest)
    await port.giveBack({ unused: cutOff, published: [] })
    const here = await port.readBlocks(cutOff)
    cutOff.forEach((digest, i) => {
      if (here[i] === undefined) forget(digest, state)
    })
  }
  const isHeld = state.head !== undefined && (await isPinned(state.head.root, parts, signal))
  for (const rows of damagedIn(isHeld ? ['open', 'lost', 'replaced'] : [], state)) {
    for (const row of rows) await recheckRow(row, parts, signal)
  }
  if (isHeld) state.put('damageNode', state.holder)
  await state.queue.commit()
}

/**
 * Deletes the row of a block that is good again, or that is missing and no longer needed. An interrupted repair starts
 * again.
 */
async function recheckRow(row: DamagedRow, parts: CheckParts, signal: AbortSignal): Promise<void> {
  const { state, port } = parts
  const { digest, codec } = row
  const { kind } = await readFromNode(digest, codec, parts, signal)
  const isLive = codec === 'raw' && isOfVersion(row, state)
  if (kind === 'good' || codec === 'dag-pb' || (kind === 'missing' && !isLive)) forget(digest, state)
  else if (isLive) {
    putDamage({ ...row, kind, state: 'open' }, state)
    await port.keepBlocks([digest])
  }
  if (kind === 'good' && isLive) await port.giveBack({ unused: [], published: [digest] })
}

export function forget(digest: Digest, { tables }: Pick<SyncState, 'tables'>): void {
  tables.damaged.delete(digest)
}
