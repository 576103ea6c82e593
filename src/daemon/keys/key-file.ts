/**
 * The file that holds a drive's root key on one machine: JSON, mode 0600. The key is sealed by a passphrase, or plain;
 * a plain key is protected only by the file permissions.
 */
import { constants } from 'node:fs'
import { link, open, rename, unlink } from 'node:fs/promises'
import { DriveError, hex, type Random } from '../../base/index.js'
import { readPrivateText } from '../../platform/index.js'
import type { RootKey } from '../../crypto/index.js'
import { keyOfPassphrase, SCRYPT_COST, type ScryptCost, unwrapRootKey, wrapRootKey } from '../../crypto/index.js'

export interface KeyFileProtection {
  /** Undefined: the key is stored plain. */
  readonly passphrase?: string | undefined
  readonly cost?: ScryptCost
}

interface KeyFile {
  readonly format: 'dagdrive key'
  /** 1: the slot's header is not bound to the sealed key. Still read, no longer written. */
  readonly version: 1 | 2
  readonly slot: PlainSlot | PassphraseSlot
}

interface PlainSlot {
  readonly kind: 'plain'
  readonly rootKey: string
}

interface PassphraseSlot extends ScryptCost {
  readonly kind: 'passphrase'
  readonly salt: string
  readonly nonce: string
  readonly sealed: string
  readonly commitment: string
}

const MAX_BYTES = 16 * 1024

/**
 * Writes the key durably (file and directory synced) and atomically. @throws EXISTS when the file exists, unless
 * `replace`
 */
export async function writeKeyFile(
  path: string,
  root: RootKey,
  options: KeyFileProtection & { random: Random; replace?: boolean },
): Promise<void> {
  const slot = await makeSlot(root, options)
  const text = JSON.stringify({ format: 'dagdrive key', version: 2, slot } satisfies KeyFile, undefined, 2) + '\n'
  const draft = `${path}.${hex(options.random.bytes(8))}.new`
  const file = await open(draft, 'wx', 0o600)
  try {
    try {
      await file.chmod(0o600)
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    if (options.replace) await rename(draft, path)
    else await linkNew(draft, path)
  } catch (error) {
    await unlink(draft).catch(() => undefined)
    throw error
  }
  await syncDirectoryOf(path)
}

/**
 * Reads the root key. @throws NOT_FOUND; ACCESS_DENIED when another user owns it, or group or others may read it;
 * WRONG_KEY when a passphrase is missing or wrong; CORRUPT when it is not a key file; NOT_SUPPORTED for a later version
 */
export async function readKeyFile(
  path: string,
  protection: Pick<KeyFileProtection, 'passphrase'> = {},
): Promise<RootKey> {
  const { slot, version } = parse(await readPrivately(path))
  if (slot.kind === 'plain') return bytes(slot.rootKey, 32)
  if (protection.passphrase === undefined) throw new DriveError('WRONG_KEY', 'The key file needs its passphrase.')
  const kek = await keyOfPassphrase(protection.passphrase, bytes(slot.salt, 16), slot)
  return unwrapRootKey(
    { nonce: bytes(slot.nonce, 24), sealed: bytes(slot.sealed, 48), commitment: bytes(slot.commitment, 32) },
    kek,
    version === 1 ? undefined : headerOf(slot),
  )
}

/** Whether a passphrase seals the key. @throws as `readKeyFile` for a file that is missing, exposed or damaged */
export async function isKeySealed(path: string): Promise<boolean> {
  return parse(await readPrivately(path)).slot.kind === 'passphrase'
}

async function makeSlot(root: RootKey, options: KeyFileProtection & { random: Random }): Promise<KeyFile['slot']> {
  if (root.length !== 32) throw new DriveError('INVALID', 'A root key must have 32 bytes.')
  if (options.passphrase === undefined) return { kind: 'plain', rootKey: base64(root) }
  const cost = options.cost ?? SCRYPT_COST
  const salt = options.random.bytes(16)
  const header = { kind: 'passphrase', ...cost, salt: base64(salt) } as const
  const kek = await keyOfPassphrase(options.passphrase, salt, cost)
  const wrapped = wrapRootKey(root, kek, options.random, headerOf(header))
  return {
    ...header,
    nonce: base64(wrapped.nonce),
    sealed: base64(wrapped.sealed),
    commitment: base64(wrapped.commitment),
  }
}

/** The plaintext fields of the slot, as one line: docs/format/keys-and-leaves.md. */
function headerOf({ kind, logN, r, p, salt }: Pick<PassphraseSlot, 'kind' | 'logN' | 'r' | 'p' | 'salt'>): string {
  return `dagdrive key 2 ${kind} ${logN} ${r} ${p} ${salt}`
}

/** rename(2) would replace a key that another process just wrote; link(2) refuses. */
async function linkNew(draft: string, path: string): Promise<void> {
  try {
    await link(draft, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw new DriveError('EXISTS', 'A key file already exists.')
    throw error
  }
  await unlink(draft)
}

async function syncDirectoryOf(path: string): Promise<void> {
  const directory = await open(path.replace(/[^/]*$/u, '') || '.', constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

async function readPrivately(path: string): Promise<string> {
  const text = await readPrivateText(path, 'The key file', MAX_BYTES)
  if (text === undefined) throw new DriveError('NOT_FOUND', 'There is no key file.')
  return text
}

function parse(text: string): KeyFile {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // the parser's message quotes the text, which may hold the key
    throw notAKeyFile()
  }
  const file = value as Partial<KeyFile> | null
  if (file?.format !== 'dagdrive key') throw notAKeyFile()
  if (file.version !== 1 && file.version !== 2)
    throw new DriveError('NOT_SUPPORTED', 'The key file was written by a later version of dagdrive.')
  if (file.slot?.kind !== 'plain' && file.slot?.kind !== 'passphrase') throw notAKeyFile()
  return file as KeyFile
}

function bytes(text: unknown, length: number): Uint8Array {
  const decoded = typeof text === 'string' ? new Uint8Array(Buffer.from(text, 'base64')) : new Uint8Array(0)
  if (decoded.length !== length) throw notAKeyFile()
  return decoded
}

function base64(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64')
}

function notAKeyFile(): DriveError {
  return new DriveError('CORRUPT', 'This is not a key file of dagdrive.')
}
