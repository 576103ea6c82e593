/**
 * The names of a drive on a node: one per device, and the shared drive name. Makes, reads and verifies their records.
 */
import { DriveError, isDriveError, type Digest } from '../../base/index.js'
import { publicKeyOfSeed, type DriveKeys } from '../../crypto/index.js'
import {
  cidOf,
  decodeNameRecord,
  decodeVersionRoot,
  driveSequence,
  makeNameRecord,
  nameOfKey,
  openCommit,
  parseCid,
  signedContent,
  type Commit,
  type FetchBlock,
} from '../../dag/index.js'
import type { CidText, IpfsNode } from '../../node/index.js'
import type { Version } from '../contract.js'
import type { HeadRecords } from '../state/sync-state.js'

/**
 * 2200-01-01. A drive is opened from its records alone, so a record must outlive any absence of its owner. Replays are
 * detected by the height. The date is the same for all records: it does not depend on a clock, and signing again gives
 * the same bytes. Kubo counts nanoseconds in 64 bits, which overflow in 2262.
 */
const VALID_UNTIL_MS = Date.UTC(2200, 0, 1)
const RECORD_TTL_MS = 60_000

/** The current target of a name. */
export interface NamedHead {
  readonly root: Digest
  readonly sequence: number
}

/**
 * The record of a name is signed by the name's key, and its content is none that a device writes: no version, or a
 * sequence above 2^53 − 1.
 */
export const UNUSABLE = 'unusable'

/** The names derived from the drive's keys, and the signatures made with these keys. */
export class DriveNames {
  readonly drive: CidText
  readonly #keys: DriveKeys
  /** Of the slots that were asked for. */
  readonly #devices = new Map<number, CidText>()

  constructor(keys: DriveKeys) {
    this.#keys = keys
    this.drive = nameOfKey(publicKeyOfSeed(keys.driveNameSeed))
  }

  device(slot: number): CidText {
    let name = this.#devices.get(slot)
    if (name === undefined) this.#devices.set(slot, (name = nameOfKey(publicKeyOfSeed(this.#keys.deviceSeed(slot)))))
    return name
  }

  /** The name of the drive's only pin. It reveals nothing: a node sees the drive name anyway. */
  get pin(): string {
    return `dagdrive ${this.drive}`
  }

  /** Both records of a version. The same input always gives the same bytes. */
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

  /** The content of a record, its signature verified. @throws CORRUPT when it does not point to a version */
  open(name: CidText, record: Uint8Array): NamedHead {
    return headOf(signedContent(name, record))
  }

  /**
   * The best record the node knows, its signature verified; undefined when it knows none. The record's expiry is
   * ignored.
   * @throws CORRUPT when the record is not signed by the key of the name: then the node lies
   * @param lenient a network search that timed out counts as "unknown"; otherwise it throws TIMEOUT
   */
  async read(
    name: CidText,
    node: Pick<IpfsNode, 'getName'>,
    { signal, lenient = false }: { readonly signal?: AbortSignal | undefined; readonly lenient?: boolean } = {},
  ): Promise<NamedHead | typeof UNUSABLE | undefined> {
    let record: Uint8Array
    try {
      record = await node.getName(name, signal === undefined ? {} : { signal })
    } catch (error) {
      if (isDriveError(error, 'NOT_FOUND')) return undefined
      if (lenient && isDriveError(error, 'TIMEOUT') && 'said' in error.about) return undefined
      throw error
    }
    const signed = signedContent(name, record)
    try {
      return headOf(signed)
    } catch (error) {
      if (isDriveError(error, 'CORRUPT')) return UNUSABLE
      throw error
    }
  }

  /**
   * Opens a version by its root with the drive's key, and checks its signature. @throws CORRUPT when it is not of this
   * drive
   */
  async openVersion(root: Digest, fetch: FetchBlock, signal?: AbortSignal): Promise<Version> {
    const { commit: commitDigest, forest } = decodeVersionRoot(await fetch(root, 'dag-pb', signal))
    const commit = openCommit(await fetch(commitDigest, 'raw', signal), this.#keys)
    if (Buffer.compare(commit.forest, forest) !== 0) {
      throw new DriveError('CORRUPT', 'A version and its commit name different pin trees.')
    }
    return { root, commit, commitDigest }
  }
}

/** @param signed the content of a name record */
function headOf(signed: Uint8Array): NamedHead {
  const { cid, sequence } = decodeNameRecord(signed)
  const { digest, codec } = parseCid(cid)
  if (codec !== 'dag-pb') throw new DriveError('CORRUPT', 'A name of this drive does not point to a version.')
  return { root: digest, sequence }
}
