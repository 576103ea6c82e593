/**
 * Compares a store that the drive left with the node that is configured now. What is in the store and not confirmed by
 * the node would be lost with the store. The node is asked for everything, and its blocks are read; nothing is believed
 * because it was sent, or because the node says that it has it.
 */
import { equalBytes, isDriveError, type Digest } from '../../base/index.js'
import { digestOf, relationOf } from '../../commits/index.js'
import { cidOf, parseCid, type FetchBlock } from '../../dag/index.js'
import type { CidText, LeftStore } from '../../node/index.js'
import { pagesOf } from '../../storage/kv/index.js'
import { requireKnownVersion } from '../check/check.js'
import { damagedIn, isOfVersion, recheckDamage } from '../check/damage.js'
import type { CheckProgress, Unconfirmed } from '../check/contract.js'
import { checkLiveBlocks } from '../check/live-blocks.js'
import type { CheckParts } from '../check/parts.js'
import { checkPinTree } from '../check/version-at-node.js'
import { UNUSABLE, type DriveNames } from '../heads/drive-names.js'
import { copyDamaged } from './copy-damaged.js'
import { unreadableBelow } from './unreadable-below.js'

/** The contents of the store that are compared. */
export type ComparedStore = Pick<LeftStore, 'pins' | 'names' | 'getBlock'>

const CIDS_A_QUESTION = 1000

/**
 * Damaged and missing blocks of the published version are recorded, as by a check, and good copies of them are taken
 * over from the store as far as they are not here. So a repair has them.
 */
export async function unconfirmedOf(
  store: ComparedStore,
  parts: CheckParts,
  signal: AbortSignal,
  onProgress: (progress: CheckProgress) => void,
): Promise<Unconfirmed> {
  await requireKnownVersion(parts, signal)
  const versions = new Versions(store, parts, signal)
  await versions.read()
  let heads = 0
  for (const [name, record] of store.names) if (!(await isHeadThere(name, record, parts, versions, signal))) heads++
  let kept = versions.isHeadPinned ? 0 : 1
  for (const cid of store.pins) if (!(await versions.isThere(cid))) kept++
  // Without its pin nothing would hold what is read. The next publish sends what is missing then.
  if (!versions.isHeadPinned) return { heads, versions: kept, blocks: await countMissing(parts, signal) }
  let done = 0
  const onRead = (): void =>
    onProgress({ phase: 'node', done: ++done, total: parts.state.head?.commit.liveBlocks ?? 0 })
  const isTreeWrong = await readBack(parts, signal, onRead)
  let blocks = await countDamaged(store, parts, signal)
  for (const root of versions.onlyPinned) blocks += await unreadableBelow(root, parts, signal, onRead)
  return { heads, versions: kept + (isTreeWrong ? 1 : 0), blocks }
}

/** Which versions the node keeps, or has replaced by one of ours that it keeps. */
class Versions {
  #pinned: ReadonlySet<CidText> = new Set()
  /** Versions that the node keeps besides the published one and its ancestors, such as those of another device. */
  readonly onlyPinned = new Set<CidText>()

  constructor(
    private readonly store: ComparedStore,
    private readonly compared: CheckParts,
    private readonly signal: AbortSignal,
  ) {}

  async read(): Promise<void> {
    const { node, names } = this.compared
    const pins = await node.listPins({ name: names.pin, signal: this.signal })
    this.#pinned = new Set(pins.map(({ cid }) => cid))
  }

  get isHeadPinned(): boolean {
    const { head } = this.compared.state
    return head === undefined || this.#pinned.has(cidOf(head.root, 'dag-pb'))
  }

  async isThere(cid: CidText): Promise<boolean> {
    if (await this.#isReplaced(parseCid(cid).digest)) return true
    if (!this.#pinned.has(cid)) return false
    this.onlyPinned.add(cid)
    return true
  }

  /** Whether it is the published version or an ancestor, while the node keeps the published one. */
  async #isReplaced(digest: Digest): Promise<boolean> {
    const { state } = this.compared
    if (state.head === undefined || !this.isHeadPinned) return false
    return equalBytes(state.head.root, digest) || state.isPast(digest) || this.#isAncestor(digest)
  }

  /** By the commits, of which either side may have those between. */
  async #isAncestor(root: Digest): Promise<boolean> {
    const { names, state } = this.compared
    const fetch: FetchBlock = async (digest, codec) => {
      const cid = cidOf(digest, codec)
      try {
        return await this.store.getBlock(cid)
      } catch (error) {
        if (!isDriveError(error, 'NOT_FOUND') && !isDriveError(error, 'WRONG_BLOCK')) throw error
        return this.compared.node.getBlock(cid, { signal: this.signal })
      }
    }
    try {
      const version = await names.openVersion(root, fetch, this.signal)
      return (await relationOf(version, state.head!, { names, fetch }, this.signal)) === 'older'
    } catch (error) {
      // Not a version of this drive, or its commit is gone: it cannot be shown to be replaced.
      if (isDriveError(error, 'CORRUPT') || isDriveError(error, 'NOT_FOUND') || isDriveError(error, 'WRONG_BLOCK'))
        return false
      throw error
    }
  }
}

async function isHeadThere(
  name: CidText,
  record: Uint8Array,
  { names, node }: CheckParts,
  versions: Versions,
  signal: AbortSignal,
): Promise<boolean> {
  let held: ReturnType<DriveNames['open']>
  try {
    held = names.open(name, record)
  } catch (error) {
    if (isDriveError(error, 'CORRUPT')) return true // no device writes such a record
    throw error
  }
  const there = await names.read(name, node, { signal })
  if (there === undefined || there === UNUSABLE || there.sequence < held.sequence) return false
  return versions.isThere(cidOf(held.root, 'dag-pb'))
}

/** Blocks of the published version that the node does not claim to have. */
async function countMissing({ state, node }: CheckParts, signal: AbortSignal): Promise<number> {
  let count = 0
  for (const rows of pagesOf(state.tables.live, { pageRows: CIDS_A_QUESTION })) {
    const cids = rows.map(([digest]) => cidOf(digestOf(digest), 'raw'))
    count += (await node.missing(cids, { signal })).length
  }
  return count
}

/**
 * Reads the whole published version from the node, and records what is damaged or missing.
 * @returns whether the pin tree does not match the version, although it is readable
 */
async function readBack(parts: CheckParts, signal: AbortSignal, onRead: () => void): Promise<boolean> {
  const { head } = parts.state
  if (head === undefined) return false
  await recheckDamage(parts, signal)
  const wrong = await checkPinTree(head, parts, signal)
  await checkLiveBlocks(parts, signal, onRead)
  return wrong.length > 0
}

/** Blocks of the published version that the node did not return. */
async function countDamaged(store: ComparedStore, parts: CheckParts, signal: AbortSignal): Promise<number> {
  let count = 0
  for (const rows of damagedIn(['open', 'lost', 'pending', 'replaced'], parts.state))
    count += rows.filter((row) => isOfVersion(row, parts.state)).length
  if (count > 0) await copyDamaged(store, parts, signal)
  return count
}
