/**
 * Compares a store that the drive left with the node that is configured now. What is in the store and not confirmed by
 * the node would be lost with the store. The node is asked for everything; nothing is believed because it was sent.
 */
import { isDriveError, type Digest } from '../../base/index.js'
import { digestOf, relationOf } from '../../commits/index.js'
import { cidOf, parseCid, type FetchBlock } from '../../dag/index.js'
import type { CidText, IpfsNode, LeftStore } from '../../node/index.js'
import { pagesOf } from '../../storage/kv/index.js'
import type { Core } from '../../pipeline/index.js'
import { readFromNode } from '../check/copies.js'
import { damagedIn, isOfVersion } from '../check/damage.js'
import type { Unconfirmed } from '../check/contract.js'
import { UNUSABLE, type DriveNames } from '../heads/drive-names.js'
import type { SyncState } from '../state/sync-state.js'

export interface ComparedNode {
  readonly state: SyncState
  readonly node: Pick<IpfsNode, 'getBlock' | 'getName' | 'listPins' | 'missing' | 'probe'>
  readonly names: DriveNames
  readonly core: Core
}

/** The contents of the store that are compared. */
export type ComparedStore = Pick<LeftStore, 'pins' | 'names' | 'getBlock'>

const CIDS_A_QUESTION = 1000

export async function unconfirmedOf(
  store: ComparedStore,
  compared: ComparedNode,
  signal: AbortSignal,
): Promise<Unconfirmed> {
  const versions = new Versions(store, compared, signal)
  await versions.read()
  let heads = 0
  for (const [name, record] of store.names) if (!(await isHeadThere(name, record, compared, versions, signal))) heads++
  let kept = versions.isHeadPinned ? 0 : 1
  for (const cid of store.pins) if (!(await versions.isThere(cid))) kept++
  return { heads, versions: kept, blocks: await blocksNotThere(compared, signal) }
}

/** Which versions the node keeps, or has replaced by one of ours that it keeps. */
class Versions {
  #pinned: ReadonlySet<CidText> = new Set()

  constructor(
    private readonly store: ComparedStore,
    private readonly compared: ComparedNode,
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
    if (this.#pinned.has(cid)) return true
    const { head } = this.compared.state
    if (head === undefined || !this.isHeadPinned) return false
    const { digest } = parseCid(cid)
    return this.compared.state.isPast(digest) || this.#isAncestor(digest)
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
  { names, node }: ComparedNode,
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

/** Blocks of the published version that the node lacks, and damaged ones that it still does not return. */
async function blocksNotThere({ state, node, core }: ComparedNode, signal: AbortSignal): Promise<number> {
  let count = 0
  for (const rows of pagesOf(state.tables.live, { pageRows: CIDS_A_QUESTION })) {
    const cids = rows.map(([digest]) => cidOf(digestOf(digest), 'raw'))
    count += (await node.missing(cids, { signal })).length
  }
  for (const rows of damagedIn(['open', 'lost', 'pending'], state)) {
    for (const row of rows) {
      const { digest, codec } = row
      // Missing ones are counted above.
      if (isOfVersion(row, state) && (await readFromNode(digest, codec, { node, core }, signal)).kind === 'damaged')
        count++
    }
  }
  return count
}
