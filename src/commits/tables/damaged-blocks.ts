/**
 * Blocks whose copy on the node was found to be missing or damaged, and what became of each. A version that is built
 * while a block is in here does not use it again where it can make another one.
 */
import type { Digest } from '../../base/index.js'
import type { Codec } from '../../dag/index.js'
import { rowsIn } from '../../storage/kv/index.js'
import type { QueueTables } from './queue-tables.js'

/**
 * `open`: found, not healed. `healed`: the node gave the right bytes after they were sent again. `lost`: no good copy
 * is here either. `exchange`: sound, but a pin tree node that links to it is not, and gets another address only
 * without it. `replaced`: the tree names another block instead, or makes another node. `pending`: that other block,
 * until the node has given it back.
 */
export type DamageState = 'open' | 'healed' | 'lost' | 'exchange' | 'replaced' | 'pending'

export interface DamagedBlock {
  readonly state: DamageState
  readonly kind: 'missing' | 'damaged'
  readonly codec: Codec
  /** Of a pin tree node: the last live digest before those it leads to; zeros before the first. */
  readonly after?: Digest | undefined
}

const STATES: readonly DamageState[] = ['open', 'healed', 'lost', 'exchange', 'replaced', 'pending']
const SOUND: ReadonlySet<DamageState> = new Set(['healed', 'pending'])

/** state u8, kind u8, codec u8, and the digest of `after`. */
export function encodeDamaged({ state, kind, codec, after }: DamagedBlock): Uint8Array {
  const head = Buffer.of(STATES.indexOf(state), kind === 'missing' ? 0 : 1, codec === 'raw' ? 0 : 1)
  return after === undefined ? head : Buffer.concat([head, after])
}

export function decodeDamaged(bytes: Uint8Array): DamagedBlock {
  return {
    state: STATES[bytes[0]!]!,
    kind: bytes[1] === 0 ? 'missing' : 'damaged',
    codec: bytes[2] === 0 ? 'raw' : 'dag-pb',
    ...(bytes.length > 3 && { after: bytes.slice(3) }),
  }
}

/** A new version shall not use it. */
export function isToAvoid(digest: Digest, { damaged }: Pick<QueueTables, 'damaged'>): boolean {
  const row = damaged.get(digest)
  return row !== undefined && !SOUND.has(decodeDamaged(row).state)
}

/** None is known: the usual case, in one look. */
export function isNothingDamaged({ damaged }: Pick<QueueTables, 'damaged'>): boolean {
  for (const _ of damaged.range({ limit: 1 })) return false
  return true
}

/** A node of the pin tree is among them: whoever follows its links may look for what never was. */
export function isPinTreeDamaged({ damaged }: Pick<QueueTables, 'damaged'>): boolean {
  for (const [, row] of rowsIn(damaged)) if (decodeDamaged(row).codec === 'dag-pb') return true
  return false
}
