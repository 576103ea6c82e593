/**
 * Commits: one CBOR list, signed by the head key of the device that made the commit. It is sealed under the super key,
 * so nodes see neither device, time, height nor parents.
 */
import { DriveError, type Digest, type Random } from '../../base/index.js'
import { isDirectory } from '../../model/index.js'
import {
  publicKeyOfSeed,
  signEd25519,
  verifyEd25519,
  xchacha20Poly1305 as xchacha,
  type DriveKeys,
} from '../../crypto/index.js'
import { CborReader } from '../cbor-reader.js'
import { CborWriter } from '../cbor-writer.js'
import type { Block, Commit, TreeRef } from '../contract.js'
import { corrupt } from '../corrupt.js'
import { decodeEntry, encodeEntry } from './entry-record.js'
import { padNode, sha256, unpad } from '../private-node.js'

const VERSION = 1
const FIELDS = 12
const NONCE_BYTES = 24
const SIGNATURE_BYTES = 64
const MAX_COMMIT_BYTES = 256 * 1024
const MAX_PARENTS = 256
const MAX_DEVICE_NAME_BYTES = 255
const MAX_DRIVE_ID_BYTES = 64
const MAX_ENTRY_BYTES = 128 * 1024
const AAD = new TextEncoder().encode('dagdrive commit v1')
const SIGNATURE_PREFIX = new TextEncoder().encode('dagdrive commit signature v1:')

/** The drive keys that seal and open commits. */
export type CommitKeys = Pick<DriveKeys, 'superKey' | 'deviceSeed'>

/** @throws INVALID when a field is out of its range */
export function encodeCommit(commit: Commit): Uint8Array {
  requireValid(commit)
  const root = encodeEntry(commit.root)
  if (root.length > MAX_ENTRY_BYTES)
    throw new DriveError('FILE_TOO_LARGE', 'The attributes of the root directory are too large.')
  const writer = new CborWriter().array(FIELDS).int(VERSION).bytes(commit.driveId).int(commit.height)
  writer.array(commit.parents.length)
  for (const parent of commit.parents) writer.bytes(parent)
  writer.int(commit.deviceSlot).text(commit.deviceName).int(commit.timeMs).bytes(root)
  writeRef(writer, commit.links)
  writeRef(writer, commit.duplicates)
  return writer.bytes(commit.forest).int(commit.liveBlocks).take()
}

/** The inverse of `encodeCommit`; CORRUPT for anything else, including later format versions. */
export function decodeCommit(bytes: Uint8Array): Commit {
  const reader = new CborReader(bytes)
  reader.tuple(FIELDS)
  const version = reader.int(VERSION, VERSION) as 1
  const driveId = reader.bytes(1, MAX_DRIVE_ID_BYTES)
  const height = reader.int(1)
  const parents = Array.from({ length: reader.array(MAX_PARENTS) }, (): Digest => reader.bytes(32))
  const deviceSlot = reader.int(0, 255)
  const deviceName = reader.text(MAX_DEVICE_NAME_BYTES)
  const timeMs = reader.int()
  // If the root were refused, the version would be, with all its files.
  let isCut = false
  const root = decodeEntry(reader.view(0, MAX_ENTRY_BYTES), () => (isCut = true))
  const links = readRef(reader)
  const duplicates = readRef(reader)
  const forest = reader.bytes(32)
  const liveBlocks = reader.int()
  reader.end()
  if (!isDirectory(root)) throw corrupt('the root of a commit is not a directory')
  const device = { deviceSlot, deviceName, timeMs }
  const commit = { version, driveId, height, parents, ...device, root, links, duplicates, forest, liveBlocks }
  return isCut ? { ...commit, isRootCut: true } : commit
}

/** Signs with the head key of `commit.deviceSlot` and seals. The same commit sealed twice gives different blocks. */
export function sealCommit(commit: Commit, keys: CommitKeys, random: Random): Block {
  const encoded = encodeCommit(commit)
  const signature = signEd25519(keys.deviceSeed(commit.deviceSlot), signedBytes(encoded))
  const envelope = new CborWriter().array(2).bytes(encoded).bytes(signature).take()
  const nonce = random.bytes(NONCE_BYTES)
  const bytes = new Uint8Array(Buffer.concat([nonce, xchacha.seal(keys.superKey, nonce, AAD, padNode(envelope))]))
  return { digest: sha256(bytes), bytes, codec: 'raw' }
}

/**
 * @param bytes the commit block; the fetcher has verified it against its CID
 * @returns the commit, signed by the device it names; CORRUPT when it does not open, decode or verify
 */
export function openCommit(bytes: Uint8Array, keys: CommitKeys): Commit {
  if (bytes.length < NONCE_BYTES || bytes.length > MAX_COMMIT_BYTES + NONCE_BYTES)
    throw corrupt('a commit has an impossible length')
  const sealed = bytes.subarray(NONCE_BYTES)
  const reader = new CborReader(unpad(xchacha.open(keys.superKey, bytes.subarray(0, NONCE_BYTES), AAD, sealed)))
  reader.tuple(2)
  const encoded = reader.bytes(0, MAX_COMMIT_BYTES)
  const signature = reader.bytes(SIGNATURE_BYTES)
  reader.end()
  const commit = decodeCommit(encoded)
  const publicKey = publicKeyOfSeed(keys.deviceSeed(commit.deviceSlot))
  if (!verifyEd25519(publicKey, signedBytes(encoded), signature)) {
    throw corrupt('a commit is not signed by the device it names')
  }
  return commit
}

function signedBytes(encoded: Uint8Array): Uint8Array {
  return Buffer.concat([SIGNATURE_PREFIX, encoded])
}

function requireValid(commit: Commit): void {
  const { height, parents, deviceSlot, driveId, root, timeMs, liveBlocks } = commit
  const valid =
    Number.isSafeInteger(height) &&
    height >= 1 &&
    parents.length <= MAX_PARENTS &&
    [...parents, commit.forest].every((digest) => digest.length === 32) &&
    Number.isInteger(deviceSlot) &&
    deviceSlot >= 0 &&
    deviceSlot <= 255 &&
    Buffer.byteLength(commit.deviceName) <= MAX_DEVICE_NAME_BYTES &&
    driveId.length >= 1 &&
    driveId.length <= MAX_DRIVE_ID_BYTES &&
    timeMs >= 0 &&
    liveBlocks >= 0 &&
    isDirectory(root)
  if (!valid) throw new DriveError('INVALID', 'A field of the commit is out of range.')
}

function writeRef(writer: CborWriter, ref: TreeRef | undefined): void {
  if (ref === undefined) writer.null()
  else writer.array(2).bytes(ref.digest).bytes(ref.key)
}

function readRef(reader: CborReader): TreeRef | undefined {
  if (reader.null()) return undefined
  reader.tuple(2)
  return { digest: reader.bytes(32), key: reader.bytes(32) }
}
