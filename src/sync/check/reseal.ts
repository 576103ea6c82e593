/**
 * Some nodes keep damaged bytes under a CID, whatever is sent to them. Resealing gives the tree other blocks with the
 * same content. Chunks are sealed under fresh keys, and rows that still refer to the old block are updated. Damaged
 * nodes of directories and chunk lists are rebuilt by the next version. The tree changes only by publishing a version.
 */
import { setImmediate } from 'node:timers/promises'
import { equalBytes, hex, throwIfAborted, type Digest, type SecretKey } from '../../base/index.js'
import { digestOf, nodesOf } from '../../commits/index.js'
import { decodeLinks } from '../../dag/index.js'
import { ROOT_INO } from '../../model/index.js'
import { resealLeaf } from '../../pipeline/index.js'
import type { CheckParts } from './parts.js'
import { goodCopyHere } from './copies.js'
import { damagedIn, damageOf, forget, putDamage, type DamagedRow } from './damage.js'
import { changedSlices, chunkSlices, inodeSlices, withView, type FileRow } from './slices.js'

const ROWS_A_SLICE = 256
const KEY_BYTES = 32
/** Links below a damaged pin tree node that are tried until a block is found here. */
const MOST_TRIED = 64
/** With more damaged chunks than this, other damaged blocks are examined after these are repaired. */
const MOST_CHUNKS = 10_000

/** @returns whether a version has to be published now */
export async function resealDamaged(parts: CheckParts, signal: AbortSignal): Promise<boolean> {
  const { state, port } = parts
  if (damagedIn(['open', 'lost'], state).next().done === true) return false
  await chooseReplacements(parts)
  let isChanged = false
  const chunks = new Set<string>()
  for (const rows of chunkSlices(parts.meta, ROWS_A_SLICE)) {
    throwIfAborted(signal)
    await setImmediate()
    const damaged = rows.filter(isDamaged(parts))
    for (const { digest } of damaged) if (chunks.size < MOST_CHUNKS) chunks.add(hex(digest))
    isChanged = (await resealRows(damaged, parts)) || isChanged
  }
  isChanged = (await markDamagedMaps(parts, signal)) || isChanged
  // Every version has a new root, a new commit and new tables.
  if (isChanged || hasDamagedNode(parts, chunks)) {
    await port.markChanged([ROOT_INO])
    return true
  }
  return false
}

/**
 * Reseals only chunks of changed files: rewritten content may deduplicate to a block whose copy on the node is damaged.
 */
export async function resealChanged(parts: CheckParts, signal: AbortSignal): Promise<void> {
  await parts.port.flush()
  for (const inos of changedSlices(parts.meta, ROWS_A_SLICE)) {
    for (const ino of inos) {
      throwIfAborted(signal)
      await setImmediate()
      const rows = withView(parts.meta, (view) => [...view.chunks(ino)].filter(isDamaged(parts)))
      await resealRows(
        rows.map((row) => ({ ...row, ino })),
        parts,
      )
    }
  }
}

/** Whether the node's copy of the block in a row is damaged or missing. */
function isDamaged({ state }: CheckParts): (row: { readonly digest: Digest }) => boolean {
  return ({ digest }) => {
    const damage = damageOf(digest, state)
    return damage !== undefined && damage.state !== 'healed' && damage.state !== 'pending'
  }
}

async function resealRows(rows: readonly FileRow[], parts: CheckParts): Promise<boolean> {
  const { state, port, random } = parts
  const made = new Map<string, { digest: Digest; key: SecretKey }>()
  const replaced: Parameters<CheckParts['port']['replaceBlocks']>[0][number][] = []
  for (const { ino, offset, digest, key } of rows) {
    const name = hex(digest) + hex(key)
    let block = made.get(name)
    if (block === undefined) {
      const sealed = await goodCopyHere(digest, parts)
      if (sealed === undefined) continue
      const fresh = random.bytes(KEY_BYTES)
      const anew = resealLeaf(sealed, key, fresh)
      made.set(name, (block = { digest: anew.digest, key: fresh }))
      // Durable before the block is stored, so that a crash does not leak it.
      putDamage({ digest: block.digest, state: 'pending', kind: 'damaged', codec: 'raw' }, state)
      await state.queue.commit()
      await port.adopt([{ digest: block.digest, bytes: anew.bytes }])
    }
    replaced.push({ ino, offset, from: digestOf(digest), to: block.digest, key: block.key })
  }
  if (replaced.length === 0) return false
  const done = await port.replaceBlocks(replaced)
  for (const [i, { from }] of replaced.entries()) {
    const damage = done[i] === true ? damageOf(from, state) : undefined
    if (damage !== undefined) putDamage({ digest: from, ...damage, state: 'replaced' }, state)
  }
  const unused = [...made.values()].filter(
    ({ digest }) => !replaced.some(({ to }, i) => done[i] === true && to === digest),
  )
  await port.giveBack({ unused: unused.map(({ digest }) => digest), published: [] })
  for (const { digest } of unused) forget(digest, state)
  await state.queue.commit()
  return done.includes(true)
}

/**
 * Marks directories and chunk lists with a damaged node as changed, so that they are rebuilt. This needs all of their
 * entries here.
 */
async function markDamagedMaps(parts: CheckParts, signal: AbortSignal): Promise<boolean> {
  const { state, port, meta } = parts
  let isChanged = false
  for (const records of inodeSlices(meta, ROWS_A_SLICE)) {
    throwIfAborted(signal)
    await setImmediate()
    const renewed: number[] = []
    for (const { ino, ref, unloaded } of records) {
      if (ref === undefined || unloaded) continue
      const known = state.tables.maps.get(ref.digest)
      const nodes = known === undefined ? [{ ref }] : await nodesOf(ref, state.tables.maps, unreachable)
      const damaged = nodes.map((node) => node.ref.digest).filter((digest) => isDamaged(parts)({ digest }))
      if (damaged.length === 0) continue
      renewed.push(ino)
      for (const digest of damaged) putDamage({ digest, ...damageOf(digest, state)!, state: 'replaced' }, state)
    }
    if (renewed.length === 0) continue
    await state.queue.commit()
    await port.markChanged(renewed)
    isChanged = true
  }
  return isChanged
}

function unreachable(): Promise<never> {
  return Promise.reject(new RangeError('A node of a known map is not in the table.'))
}

/**
 * The bytes of a pin tree node are determined by its links, so it gets another CID only if a link changes. For each
 * damaged pin tree node, one block below it is replaced as if it were damaged.
 */
async function chooseReplacements(parts: CheckParts): Promise<void> {
  const { state } = parts
  for (const rows of damagedIn(['open', 'lost'], state)) {
    for (const row of rows) {
      if (row.codec !== 'dag-pb' || (state.head !== undefined && equalBytes(row.digest, state.head.root))) continue
      for await (const digest of blocksBelow(row, parts)) {
        if (damageOf(digest, state) === undefined) {
          if ((await goodCopyHere(digest, parts)) === undefined) continue
          putDamage({ digest, state: 'exchange', kind: 'damaged', codec: 'raw' }, state)
        }
        break
      }
    }
  }
  await state.queue.commit()
}

async function* blocksBelow(
  row: Pick<DamagedRow, 'digest' | 'after'>,
  parts: CheckParts,
  budget = { tries: MOST_TRIED },
): AsyncGenerator<Digest, void, undefined> {
  const { live } = parts.state.tables
  const bytes = await goodCopyHere(row.digest, parts)
  if (bytes === undefined) {
    // The first digest after the previous subtree is certainly below this node.
    const start = Buffer.concat([row.after ?? Buffer.alloc(32), Buffer.of(0)])
    for (const [digest] of live.range({ start, limit: 1 })) yield digestOf(digest)
    return
  }
  for (const { digest, codec } of decodeLinks(bytes)) {
    if (budget.tries-- <= 0) return
    if (codec === 'raw') yield digest
    else yield* blocksBelow({ ...row, digest }, parts, budget)
  }
}

/**
 * Whether a damaged block is one that each version makes anew: a pin tree node, the commit, or a node of a table. A
 * device that joined the drive knows only the tables it has read, so any damaged block that is not a chunk counts as
 * such a node.
 * @param chunks digests of damaged chunks
 */
function hasDamagedNode({ state }: CheckParts, chunks: ReadonlySet<string>): boolean {
  const { head, tables } = state
  for (const rows of damagedIn(['open', 'lost'], state)) {
    for (const { digest, codec } of rows) {
      const isCommit = head !== undefined && equalBytes(digest, head.commitDigest)
      if (codec === 'dag-pb' || isCommit || tables.nodes.get(digest) !== undefined) return true
      if (chunks.size < MOST_CHUNKS && tables.live.get(digest) !== undefined && !chunks.has(hex(digest))) return true
    }
  }
  return false
}
