/** Connects to a node with what the daemon knows of this machine, and finds the credential of a node. */
import { dirname } from 'node:path'
import type { MountReport } from '../../api/index.js'
import { systemClock, systemRandom, type Log } from '../../base/index.js'
import { listenerOf, openNode, type IpfsNode, type OpenNodeOptions } from '../../node/index.js'
import { allocatePages } from '../../platform/index.js'
import { readNodeKey, type NodeCredential } from '../keys/node-keys.js'
import { requireOutside } from './outside-the-drive.js'
import { requireOutsideHome, type HomeFolders } from './outside-the-home.js'

/** What a connection takes from the daemon. */
export interface NodeSurroundings {
  readonly paths: HomeFolders
  /** The address that is configured. A drive of an older version may have its node in the home; it stays usable. */
  readonly nodeUrl: string
  readonly log: Log
  readonly version: string
  /** Of the drive. A store in one of them would contain itself. */
  readonly mounts: readonly MountReport[]
}

/** See `Daemon.connectNode`. */
export async function connectNode(
  { paths, nodeUrl, log, version, mounts }: NodeSurroundings,
  address: string,
  credential: NodeCredential | undefined,
  how: Pick<OpenNodeOptions, 'mustExist'>,
): Promise<IpfsNode> {
  await requireOutside(address, mounts)
  if (address !== nodeUrl) await requireOutsideHome(address, paths)
  return openNode(address, {
    ...how,
    dataDirectory: dirname(paths.embeddedNodeDirectory),
    clock: systemClock,
    random: systemRandom,
    log,
    credentials: credential?.key,
    listener: credential?.listener,
    version,
    allocatePages,
  })
}

/** See `Daemon.nodeCredential`. @param key one that the user has just given */
export async function nodeCredential(
  file: string,
  address: string,
  key: string | undefined,
): Promise<NodeCredential | undefined> {
  if (key === undefined) return readNodeKey(file, address)
  return { key, listener: await listenerOf(address) }
}
