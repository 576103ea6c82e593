/** The names of a drive on a node: one a device, and the shared drive name; their records made, read and verified. */
import { DriveError, isDriveError, type Digest } from '../../base/index.js'
import { publicKeyOfSeed, type DriveKeys } from '../../crypto/index.js'
import {
  cidOf,
  decodeVersionRoot,
  driveSequence,
  makeNameRecord,
  nameOfKey,
  openCommit,
  openNameRecord,
  parseCid,
  type Commit,
  type FetchBlock,
} from '../../dag/index.js'
import type { CidText, IpfsNode } from '../../node/index.js'
import type { Version } from '../contract.js'
import type { HeadRecords } from '../state/sync-state.js'

/**
 * 2200-01-01. A record must outlive any absence of its owner, as a drive is opened from its records alone; replays are
 * caught by the height. It is the same for all records, so that no clock matters and signing again gives the same
 * bytes. Kubo counts nanoseconds in 64 bits, which end in 2262.
 */
const VALID_UNTIL_MS = Date.UTC(2200, 0, 1)
const RECORD_TTL_MS = 60_000

/** What a name says now. */
export interface NamedHead {
  readonly root: Digest
  readonly sequence: number
}

/** The names that follow from the drive's keys, and what is signed with them. */
export class DriveNames {
  readonly drive: CidText
  readonly #keys: DriveKeys

  constructor(keys: DriveKeys) {
    this.#keys = keys
    this.drive = nameOfKey(publicKeyOfSeed(keys.driveNameSeed))
  }

  device(slot: number): CidText {
    return nameOfKey(publicKeyOfSeed(this.#keys.deviceSeed(slot)))
  }

  /** The name of the drive's one pin; a node sees the drive name anyway. */
  get pin(): string {
    return `dagdrive ${this.drive}`
  }

  /** Both records of a version, at any time: the same input gives the same bytes. */
  makeRecords(root: Digest, commit: Pick<Commit, 'height' | 'deviceSlot'>): HeadRecords {
    const record = {
      cid: cidOf(root, 'dag-pb'),
      sequence: driveSequence(commit.height, commit.deviceSlot),
      validUntilMs: VALID_UNTIL_MS,
      ttlMs: RECORD_TTL_MS,
    }
    return {
      device: makeNameRecord(record, this.#keys.deviceSeed(commit.deviceSlot)),
      drive: makeNameRecord(record, this.#keys.driveNameSeed),
    }
  }

  /** What a record says, its signature verified. CORRUPT when it is not one of a version. */
  open(name: CidText, record: Uint8Array): NamedHead {
    const { cid, sequence } = openNameRecord(name, record)
    const { digest, codec } = parseCid(cid)
    if (codec !== 'dag-pb') throw new DriveError('CORRUPT', 'A name of this drive does not point to a version.')
    return { root: digest, sequence }
  }

  /**
   * The best record the node knows, its signature verified; undefined when it knows none. Its end of life does not
   * matter here.
   * @param lenient a node that searched its network in vain until it gave up does not know the name either; otherwise
   * that is TIMEOUT
   */
  async read(
    name: CidText,
    node: Pick<IpfsNode, 'getName'>,
    { signal, lenient = false }: { readonly signal?: AbortSignal | undefined; readonly lenient?: boolean } = {},
  ): Promise<NamedHead | undefined> {
    try {
      return this.open(name, await node.getName(name, signal === undefined ? {} : { signal }))
    } catch (error) {
      if (isDriveError(error, 'NOT_FOUND')) return undefined
      if (lenient && isDriveError(error, 'TIMEOUT') && 'said' in error.about) return undefined
      throw error
    }
  }

  /**
   * A version by its root, opened with the drive's key and its signature checked. CORRUPT when it is not of this drive.
   */
  async openVersion(root: Digest, fetch: FetchBlock, signal?: AbortSignal): Promise<Version> {
    const { commit: commitDigest, forest } = decodeVersionRoot(await fetch(root, 'dag-pb', signal))
    const commit = openCommit(await fetch(commitDigest, 'raw', signal), this.#keys)
    if (Buffer.compare(commit.forest, forest) !== 0) {
      throw new DriveError('CORRUPT', 'A version and its commit name different forests.')
    }
    return { root, commit, commitDigest }
  }
}
