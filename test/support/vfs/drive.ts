/** A drive over real local storage in a temporary directory, for tests of the tree. */
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  DriveError,
  nameFromText,
  seededRandom,
  silentLog,
  systemClock,
  systemRandom,
  type PlainName,
} from '../../../src/base/index.js'
import { createCore, openPipeline, type Pipeline } from '../../../src/pipeline/index.js'
import { openBlockStore, type BlockStore } from '../../../src/storage/blocks/index.js'
import { openEnvironment, type Environment, type RowSealer } from '../../../src/storage/kv/index.js'
import {
  decodeChunk,
  secondOf,
  TABLES,
  type PublishedCommit,
  type RemoteSource,
} from '../../../src/tree-state/index.js'
import { openVfs, type Vfs, type VfsOptions } from '../../../src/vfs/open-vfs.js'
import { OPEN, ROOT_INO, type Attributes, type Caller, type DirectoryEntry, type Tree } from '../../../src/vfs/tree.js'

export const caller: Caller = { uid: 1000, gid: 1000, pid: 1, signal: new AbortController().signal }
export const root: Caller = { ...caller, uid: 0, gid: 0 }

/** The seed of this run, printed by `seedOf`. */
export function seedOf(log: (line: string) => void): number {
  const seed = Number(process.env['SEED'] ?? process.hrtime()[1] | 1)
  log(`SEED=${String(seed)}`)
  return seed
}

export const offline: RemoteSource = {
  fetchBlocks: () => Promise.reject(new DriveError('OFFLINE', 'No node is connected.')),
  loadDirectory: () => Promise.reject(new DriveError('OFFLINE', 'No node is connected.')),
  loadChunks: () => Promise.reject(new DriveError('OFFLINE', 'No node is connected.')),
}

export interface OpenDrive extends Vfs {
  readonly meta: Environment
  readonly blocks: BlockStore
  readonly pipeline: Pipeline
  /** Stages everything and closes. */
  shut(): Promise<void>
  /** Releases files and threads without staging or committing. */
  abandon(): Promise<void>
}

export interface Scratch {
  readonly path: string
  open(options?: Partial<VfsOptions>): Promise<OpenDrive>
  /** The state that a crash at this moment would leave. */
  crashCopy(): Scratch
  remove(): void
}

/** What sync tells the drive thread of a version of commit `sequence` without merged pages. */
export function publishedCommit(
  { meta }: Pick<OpenDrive, 'meta'>,
  sequence: number,
  discarded: PublishedCommit['discarded'] = [],
): PublishedCommit {
  const counter = meta.table('state', { sealed: true }).get(Buffer.from('nextRemoved'))!
  const removedBefore = Number(Buffer.from(counter).readBigUInt64BE())
  return { sequence, removedBefore, refs: [], merged: [], confirmed: [], discarded }
}

export const contentKeys = { dedupKey: Buffer.alloc(32, 1), gearKey: Buffer.alloc(32, 2) }

export function scratchDrive(): Scratch {
  return scratchAt(mkdtempSync(join(tmpdir(), 'dagdrive-vfs-')))
}

function scratchAt(path: string): Scratch {
  return {
    path,
    open: (options) => openDrive(path, options ?? {}),
    crashCopy() {
      const copy = mkdtempSync(join(tmpdir(), 'dagdrive-vfs-'))
      cpSync(path, copy, { recursive: true, filter: (from) => !from.endsWith('lock.mdb') })
      return scratchAt(copy)
    },
    remove: () => rmSync(path, { recursive: true, force: true }),
  }
}

async function openDrive(path: string, options: Partial<VfsOptions>): Promise<OpenDrive> {
  const meta = openEnvironment({ path: join(path, 'meta'), sealer: sealer(), log: silentLog })
  const blocks = await openBlockStore({ directory: join(path, 'blocks'), log: silentLog })
  const pipeline = openPipeline({
    segmentDirectory: blocks.segmentDirectory,
    keys: contentKeys,
    workers: 1,
    findDuplicate: (dedupId) => blocks.findDuplicate(dedupId),
  })
  const vfs = await openVfs({
    meta,
    blocks,
    pipeline,
    core: createCore(),
    remote: offline,
    nameKey: Buffer.alloc(32, 3),
    clock: systemClock,
    random: seededRandom(5),
    log: silentLog,
    freshRoot: { uid: 0, gid: 0, mode: 0o777 },
    ...options,
  })
  const end = async (): Promise<void> => {
    await pipeline.close()
    await blocks.close()
    await meta.close()
  }
  return {
    ...vfs,
    meta,
    blocks,
    pipeline,
    async shut() {
      await vfs.close()
      await end()
    },
    async abandon() {
      await vfs.close().catch(() => {
        // unstaged data is lost on purpose
      })
      await end().catch(() => {
        // the disk may be full on purpose
      })
    },
  }
}

/** AES-256-GCM under a fixed key. */
export function sealer(): RowSealer {
  const key = Buffer.alloc(32, 7)
  return {
    seal(aad, plain) {
      const nonce = systemRandom.bytes(12)
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(aad)
      return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
    },
    open(aad, sealed) {
      const tagStart = sealed.length - 16
      const opener = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12)).setAAD(aad)
      opener.setAuthTag(sealed.subarray(tagStart))
      return Buffer.concat([opener.update(sealed.subarray(12, tagStart)), opener.final()])
    },
  }
}

// ---------------------------------------------------------------- shorthand

export const name = (text: string): PlainName => nameFromText(text)

/** A new file opened for reading and writing. */
export async function createFile(
  tree: Tree,
  text: string,
  parent = ROOT_INO,
): Promise<{ ino: number; handle: number }> {
  const { attributes, opened } = await tree.create(parent, name(text), 0o644, OPEN.READ_WRITE, caller)
  return { ino: attributes.ino, handle: opened.handle }
}

export async function writeFile(tree: Tree, text: string, data: Uint8Array, parent = ROOT_INO): Promise<number> {
  const { ino, handle } = await createFile(tree, text, parent)
  await tree.write(ino, handle, 0, data, caller)
  tree.release(ino, handle)
  return ino
}

export async function readHandle(
  tree: Tree,
  ino: number,
  handle: number,
  offset: number,
  size: number,
): Promise<Buffer> {
  return Buffer.concat(await tree.read(ino, handle, offset, size, caller))
}

export async function readInode(tree: Tree, ino: number): Promise<Buffer> {
  const { handle } = await tree.open(ino, OPEN.READ_ONLY, caller)
  const { size } = await tree.getAttributes(ino, caller)
  const parts: Buffer[] = []
  for (let at = 0; at < size; at += 1 << 20)
    parts.push(await readHandle(tree, ino, handle, at, Math.min(1 << 20, size - at)))
  tree.release(ino, handle)
  return Buffer.concat(parts)
}

export async function find(tree: Tree, text: string, parent = ROOT_INO): Promise<Attributes | undefined> {
  return tree.lookup(parent, name(text), caller)
}

export async function list(tree: Tree, ino = ROOT_INO, withAttributes = false): Promise<DirectoryEntry[]> {
  const { handle } = await tree.openDirectory(ino, caller)
  const found: DirectoryEntry[] = []
  await tree.readDirectory(ino, handle, { cookie: 0, withAttributes, visit: (entry) => found.push(entry) > 0 }, caller)
  tree.releaseDirectory(ino, handle)
  return found
}

/** The digests of all chunk rows, in the order of the rows. */
export function chunkDigests({ meta }: Pick<OpenDrive, 'meta'>): Uint8Array[] {
  const rows = meta.table(TABLES.chunks, { sealed: true }).range()
  return Array.from(rows, ([key, value]) => Buffer.from(decodeChunk(secondOf(key), value).digest))
}

export async function codeOf(action: () => unknown): Promise<string> {
  try {
    await action()
  } catch (error) {
    return error instanceof DriveError ? error.code : String(error)
  }
  return 'ok'
}
