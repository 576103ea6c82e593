/**
 * The tables of sync's own LMDB environment, and the codecs of their fixed rows. Tables of a commit in progress
 * (`delta` … `newForest`) are empty when none is.
 */
import type { Digest } from '../../base/index.js'
import type { Environment, Table } from '../../storage/kv/index.js'

export interface QueueTables {
  /** name → record: `head`, `plan`, `devices`, `progress` of an import; see sync-state.ts. */
  readonly state: Table
  /** digest → refcount (u32) in the published version. */
  readonly live: Table
  /** The rows of `live` with a refcount above 1. */
  readonly repeated: Table
  /** Path of a pin tree node (see `pinTreeKey`) → its digest, in the published version. */
  readonly forest: Table
  /** Root digest of a map → its nodes, for reuse and removal. */
  readonly maps: Table
  /** fileId → BE64(ino or 0) || entry: the published link table. */
  readonly shared: Table
  /** digest → codec || bytes: tree and pin tree nodes of the published version and of the commit in progress. */
  readonly nodes: Table
  /** digest → kind || key: nodes of a version that is being counted; see build/count-version.ts. */
  readonly uncounted: Table
  /** digest → the damage on the node and the state of its repair; see damaged-blocks.ts. */
  readonly damaged: Table

  /** Root digest of a directory || keyed hash of a name → name and row of an entry; see unreadable-entries.ts. */
  readonly unreadable: Table
  /** Of earlier programs: root digest of a directory || name → the row. Emptied when sync is opened. */
  readonly unreadableByName: Table
  /** Root digest of a directory → where it was found when its parent was loaded; see directory-names.ts. */
  readonly directories: Table
  /** The trees that a check of the node has reached; see reached-trees.ts. */
  readonly checking: Table

  /** digest → refcount change. */
  readonly delta: Table
  /** digest → kind and whether the node confirmed it. */
  readonly outgoing: Table
  /** BE64(ino) → digest || key, or empty: content nodes that changed. */
  readonly refs: Table
  /** BE64(ino) || BE64(offset) → chunk: rows made from staged pages. */
  readonly merged: Table
  /** Root digest → 1 made by this commit, 2 dropped by it. */
  readonly mapChanges: Table
  /** digest → nothing: blocks that the drive thread adopts for this commit. Written before the request is sent. */
  readonly adopted: Table
  readonly newShared: Table
  readonly newForest: Table
  /** The trees that a build from scratch has reached; see reached-trees.ts. */
  readonly reached: Table
  /** A key of `unreadable` → nothing: the rows of `unreadable` that its new version does not have. */
  readonly replaced: Table
  /** BE64(ino) → BE32(depth): directories that get a new version in this commit; see build/affected.ts. */
  readonly depths: Table
  /** BE32(-depth) || BE64(ino) → nothing: the same directories, deepest first. */
  readonly order: Table
}

/** In the order in which they are emptied. `outgoing` is last, because it lists the blocks that the others made. */
export const PLAN_TABLES = [
  'depths',
  'order',
  'replaced',
  'reached',
  'newForest',
  'mapChanges',
  'newShared',
  'refs',
  'merged',
  'adopted',
  'delta',
  'outgoing',
] as const
/** Facts about the directories of the version that the tree was made from. */
export const ENTRY_TABLES = ['unreadable', 'unreadableByName', 'directories'] as const
export const BASE_TABLES = ['live', 'repeated', 'uncounted', 'forest', 'maps', 'shared', 'nodes'] as const

/** The tables with keys, names or inode numbers. */
const SEALED = new Set<string>([
  'state',
  'damaged',
  'maps',
  'shared',
  'refs',
  'merged',
  'newShared',
  'depths',
  'unreadable',
  'unreadableByName',
  'uncounted',
  'directories',
  'checking',
  'reached',
])

/** Earlier programs have tables of these names with other keys. */
const STORED_AS: Readonly<Partial<Record<string, string>>> = {
  unreadable: 'unreadableByHash',
  unreadableByName: 'unreadable',
}

export function openTables(queue: Environment): QueueTables {
  const names = ['state', 'damaged', 'checking', ...ENTRY_TABLES, ...BASE_TABLES, ...PLAN_TABLES] as const
  return Object.fromEntries(
    names.map((name) => [name, queue.table(STORED_AS[name] ?? name, { sealed: SEALED.has(name) })]),
  ) as unknown as QueueTables
}

/**
 * More than any tree has; a count that has grown still fits 31 bits. A block with this count is kept for ever, because
 * its references are not known exactly.
 */
export const MOST_USES = 2 ** 30

export type BlockKind = 'leaf' | 'node' | 'dag-pb'
const KINDS: readonly BlockKind[] = ['leaf', 'node', 'dag-pb']

/** Row of `delta`. `sizeBytes` is an estimate, used only for progress. */
export interface DeltaRow {
  readonly change: number
  readonly kind: BlockKind
  readonly sizeBytes: number
}

export function encodeDelta(row: DeltaRow): Buffer {
  const bytes = Buffer.allocUnsafe(9)
  bytes.writeInt32BE(row.change, 0)
  bytes[4] = KINDS.indexOf(row.kind)
  bytes.writeUInt32BE(row.sizeBytes, 5)
  return bytes
}

export function decodeDelta(bytes: Uint8Array): DeltaRow {
  const view = viewOf(bytes)
  return { change: view.getInt32(0), kind: KINDS[view.getUint8(4)]!, sizeBytes: view.getUint32(5) }
}

/** Row of `outgoing`. */
export interface OutgoingRow {
  readonly isSent: boolean
  /** Not new: a published block that the node lost. */
  readonly isRepair?: boolean
  readonly kind: BlockKind
  readonly sizeBytes: number
}

export function encodeOutgoing(row: OutgoingRow): Buffer {
  const bytes = Buffer.allocUnsafe(6)
  bytes[0] = (row.isSent ? 1 : 0) | (row.isRepair === true ? 2 : 0)
  bytes[1] = KINDS.indexOf(row.kind)
  bytes.writeUInt32BE(row.sizeBytes, 2)
  return bytes
}

export function decodeOutgoing(bytes: Uint8Array): OutgoingRow {
  const flags = bytes[0]!
  return {
    isSent: (flags & 1) !== 0,
    isRepair: (flags & 2) !== 0,
    kind: KINDS[bytes[1]!]!,
    sizeBytes: viewOf(bytes).getUint32(2),
  }
}

export function encodeCount(count: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(count, 0)
  return bytes
}

export function decodeCount(bytes: Uint8Array | undefined): number {
  return bytes === undefined ? 0 : viewOf(bytes).getUint32(0)
}

/** bits u8, prefix u32: the root is (0, 0). */
export function pinTreeKey(bits: number, prefix: number): Buffer {
  const key = Buffer.allocUnsafe(5)
  key[0] = bits
  key.writeUInt32BE(prefix, 1)
  return key
}

/** A row of `newForest` that invalidates the whole `forest` table. */
export const FOREST_REBUILT = Buffer.of(255)

export interface StoredNode {
  readonly codec: 'raw' | 'dag-pb'
  readonly bytes: Uint8Array
}

export function encodeNode(node: StoredNode): Buffer {
  return Buffer.concat([Buffer.of(node.codec === 'raw' ? 0 : 1), node.bytes])
}

export function decodeNode(bytes: Uint8Array): StoredNode {
  return { codec: bytes[0] === 0 ? 'raw' : 'dag-pb', bytes: bytes.subarray(1) }
}

/** A copy that owns its memory: row values may be views. */
export function digestOf(key: Uint8Array): Digest {
  return new Uint8Array(key)
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
