/**
 * Blocks whose copy on the node is missing or damaged, and the state of each repair. A new version avoids these blocks
 * if it can make others in their place.
 */
import type { Digest } from '../../base/index.js'
import type { Codec } from '../../dag/index.js'
import { rowsIn } from '../../storage/kv/index.js'
import type { QueueTables } from './queue-tables.js'

/**
 * `open`: found, not repaired. `healed`: the node returned the right bytes after they were sent again. `lost`: this
 * machine has no good copy either. `exchange`: the block is sound, but a damaged pin tree node links to it; that node
 * gets a new CID only without this block. `replaced`: the tree refers to another block or makes another node instead.
 * `pending`: the replacement block, until it was read back from the node.
 */
export type DamageState = 'open' | 'healed' | 'lost' | 'exchange' | 'replaced' | 'pending'

export interface DamagedBlock {
  readonly state: DamageState
  readonly kind: 'missing' | 'damaged'
  readonly codec: Codec
  /** For a pin tree node: the last live digest before its own range; zeros before the first digest. */
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

/** Whether a new version must not use the block. */
export function isToAvoid(digest: Digest, { damaged }: Pick<QueueTables, 'damaged'>): boolean {
  const row = damaged.get(digest)
  return row !== undefined && !SOUND.has(decodeDamaged(row).state)
}

/** Whether the node is not known to return this block, or returned it since damage was found. */
export function isConfirmable(digest: Digest, { damaged }: Pick<QueueTables, 'damaged'>): boolean {
  const row = damaged.get(digest)
  return row === undefined || decodeDamaged(row).state === 'healed'
}

/** Whether no damage is known. This is the usual case and costs one lookup. */
export function isNothingDamaged({ damaged }: Pick<QueueTables, 'damaged'>): boolean {
  for (const _ of damaged.range({ limit: 1 })) return false
  return true
}

/** Whether a pin tree node is among them. Its damaged links may name blocks that never existed. */
export function isPinTreeDamaged({ damaged }: Pick<QueueTables, 'damaged'>): boolean {
  for (const [, row] of rowsIn(damaged)) if (decodeDamaged(row).codec === 'dag-pb') return true
  return false
}
