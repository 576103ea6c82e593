/**
 * `node.key`: the credentials of Kubo nodes, each bound to its node. One file, replaced as a whole, so that a key and
 * its node always match. The configured node and the target of a move may both have one.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { unlink } from 'node:fs/promises'
import { DriveError } from '../../base/index.js'
import { authorizationOf, originOf, type Listener } from '../../node/index.js'
import { readPrivateText, writePrivateFile } from '../../platform/index.js'

export interface NodeCredential {
  /** `bearer:TOKEN` or `basic:USER:PASSWORD`. Secret. */
  readonly key: string
  /** The process that listened on the node's port when the key was set; only for plain http on this machine. */
  readonly listener?: Listener | undefined
}

interface BoundCredential extends NodeCredential {
  readonly origin: string
}

const FORMAT = 'dagdrive node keys'
const MOST_BYTES = 64 * 1024

/**
 * The credential of this node; undefined when there is none. @throws NODE_DENIED, with the remedy, when the file cannot
 * be trusted or does not name the node of its key
 */
export async function readNodeKey(path: string, address: string): Promise<NodeCredential | undefined> {
  const origin = originOf(address)
  if (origin === undefined) return undefined
  const found = (await readKeys(path)).find((key) => key.origin === origin)
  return found && { key: found.key, listener: found.listener }
}

/**
 * Whether a key that the user has given again is the one that is kept for this node: whether the node is sent the same.
 * An address without an origin, such as that of the embedded node, takes no key, so every key is the same there.
 */
export async function isKeptKey(path: string, address: string, given: string): Promise<boolean> {
  if (originOf(address) === undefined) return true
  const kept = await readNodeKey(path, address)
  const [one, other] = [given, kept?.key].map((key) =>
    createHash('sha256')
      .update(authorizationOf(key) ?? '')
      .digest(),
  ) as [Buffer, Buffer]
  return timingSafeEqual(one, other)
}

/** Stores the credential of one node durably; undefined removes it. Credentials of other nodes stay. */
export async function saveNodeKey(
  path: string,
  address: string,
  credential: NodeCredential | undefined,
): Promise<void> {
  const origin = originOf(address)
  const others = (await keysIfSound(path)).filter((key) => key.origin !== origin)
  const own = origin === undefined || credential === undefined ? [] : [{ origin, ...credential }]
  await writeKeys(path, [...others, ...own])
}

/** Removes every credential except that of this node. */
export async function keepOnlyNodeKey(path: string, address: string): Promise<void> {
  const origin = originOf(address)
  await writeKeys(
    path,
    (await keysIfSound(path)).filter((key) => key.origin === origin),
  )
}

async function writeKeys(path: string, keys: readonly BoundCredential[]): Promise<void> {
  if (keys.length > 0) {
    await writePrivateFile(path, `${JSON.stringify({ format: FORMAT, version: 1, keys }, undefined, 2)}\n`)
    return
  }
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
}

/** Reads the file before a write: an untrusted file is replaced. */
async function keysIfSound(path: string): Promise<BoundCredential[]> {
  try {
    return await readKeys(path)
  } catch {
    // reported when it is read for use
    return []
  }
}

async function readKeys(path: string): Promise<BoundCredential[]> {
  try {
    const text = await readPrivateText(path, "The file of the node's key", MOST_BYTES)
    return text === undefined ? [] : parse(text)
  } catch (error) {
    const { message } = error instanceof DriveError ? error : unreadable()
    throw new DriveError(
      'NODE_DENIED',
      `${message} Give the key again with \`dagdrive node set URL --key-file FILE\`.`,
      {
        cause: error,
      },
    )
  }
}

function parse(text: string): BoundCredential[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // the parser's message quotes the text, which holds the key
    throw unreadable()
  }
  const { format, version, keys } = (value ?? {}) as { format?: unknown; version?: unknown; keys?: unknown }
  if (format !== FORMAT || version !== 1 || !Array.isArray(keys) || !keys.every(isBound)) throw unreadable()
  return keys
}

function isBound(value: unknown): value is BoundCredential {
  const { origin, key, listener } = (value ?? {}) as Record<string, unknown>
  const isUids = (list: unknown): boolean => Array.isArray(list) && list.every((uid) => Number.isSafeInteger(uid))
  return typeof origin === 'string' && typeof key === 'string' && (listener === undefined || isUids(listener))
}

function unreadable(): DriveError {
  return new DriveError('CORRUPT', "The file of the node's key does not say which node it is for.")
}
