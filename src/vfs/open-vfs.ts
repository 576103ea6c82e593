/** Opens the tree over local storage: state read or made, a crash's remains cleared, the background started. */
import type { Clock, Log, Random, SecretKey } from '../base/index.js'
import type { Core, Pipeline } from '../pipeline/index.js'
import { TYPE, type DrivePort, type InodeRecord, type RemoteSource } from '../tree-state/index.js'
import { type BlockStore } from '../storage/blocks/index.js'
import { type Environment } from '../storage/kv/index.js'
import { ApplyGate } from './staging/apply-gate.js'
import { Background } from './staging/background.js'
import { Committer, stageAll } from './staging/committer.js'
import { ChunkReader } from './content/chunk-reader.js'
import { HeldMemory } from './staging/held-memory.js'
import { SealQueue } from './staging/seal-queue.js'
import { Directories } from './namespace/directory.js'
import { FIRST_COOKIE, InodeTable } from './inodes/inode-table.js'
import { nameHasher } from './namespace/name-hash.js'
import { PosixTree } from './posix-tree.js'
import { VolumePort } from './staging/port.js'
import { recover } from './staging/recovery.js'
import { RemoteDirectories } from './namespace/remote-directory.js'
import { unlimitedSpace, type SpaceGuard } from './staging/space.js'
import { readState, writeClean } from './inodes/state-rows.js'
import { ROOT_INO, type Tree } from './tree.js'
import { Volume } from './volume.js'

/** The root of a drive that has no local state yet: an empty one, or what a published commit says. */
export type FreshRoot =
  | { readonly uid: number; readonly gid: number; readonly mode: number }
  /** `ino`, `parent` and `nextCookie` are 0; `unloaded` is set where `ref` is. */
  | { readonly record: InodeRecord }

export interface VfsOptions {
  /** Environment `meta`; its owner closes it after the vfs. */
  readonly meta: Environment
  /** Its owner closes it after the vfs. */
  readonly blocks: BlockStore
  readonly pipeline: Pipeline
  readonly core: Core
  readonly remote: RemoteSource
  /** DriveKeys.nameKey. */
  readonly nameKey: SecretKey
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Where local data lies; unlimited by default. See `diskSpace`. */
  readonly spaceGuard?: SpaceGuard
  /** The most file data in memory only, bytes; 48 MiB by default. */
  readonly heldLimitBytes?: number
  /** What the block cache may use as far as blocks can be evicted; asked again each time, so it can change. Unlimited by default. */
  readonly cacheLimitBytes?: number | (() => number)
  /** Used when `meta` is empty. */
  readonly freshRoot: FreshRoot
}

export interface Vfs {
  readonly tree: Tree
  readonly port: DrivePort
  /** Stages and commits everything and stops. Rejects with NO_SPACE when something could not be staged; it is closed nonetheless. */
  close(): Promise<void>
}

export async function openVfs(options: VfsOptions): Promise<Vfs> {
  const volume = new Volume({ ...options, space: options.spaceGuard ?? unlimitedSpace })
  volume.inodes = new InodeTable(volume)
  volume.directories = new Directories(volume, nameHasher(options.nameKey))
  volume.remoteDirectories = new RemoteDirectories(volume)
  volume.reader = new ChunkReader(volume)
  volume.held = new HeldMemory(options.clock, options.heldLimitBytes)
  volume.sealing = new SealQueue(volume)
  volume.gate = new ApplyGate()
  volume.committer = new Committer(volume)
  if (readState(volume)) recover(volume)
  else makeRoot(volume, options.freshRoot)
  if (volume.counters.dirtyInodes > 0) volume.lastChangeMs = volume.clock.nowMs()
  writeClean(volume, false)
  await volume.committer.commit()

  const { cacheLimitBytes = Infinity } = options
  const limit = typeof cacheLimitBytes === 'function' ? cacheLimitBytes : (): number => cacheLimitBytes
  const background = new Background(volume, limit)
  let closing: Promise<void> | undefined
  return {
    tree: new PosixTree(volume),
    port: new VolumePort(volume, background),
    close: () => (closing ??= close(volume, background)),
  }
}

function makeRoot(volume: Volume, root: FreshRoot): void {
  if (!('record' in root)) {
    const { uid, gid, mode } = root
    const fields = {
      ino: ROOT_INO,
      mode: (mode & 0o7777) | (TYPE.DIRECTORY << 12),
      uid,
      gid,
      nlink: 2,
      rdev: 0,
      parent: 0,
    }
    volume.directories.begin(volume.inodes.create(fields))
    return
  }
  volume.inodes.putLoaded({ ...root.record, ino: ROOT_INO, parent: 0, nextCookie: FIRST_COOKIE })
}

async function close(volume: Volume, background: Background): Promise<void> {
  volume.committer.resume()
  await background.close()
  try {
    await stageAll(volume)
  } finally {
    await volume.sealing.idle()
    writeClean(volume, true)
    await volume.committer.commit()
  }
}
