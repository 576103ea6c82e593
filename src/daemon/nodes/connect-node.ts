/** Opens a node for this daemon. */
import { dirname } from 'node:path'
import { systemClock, systemRandom, type Log } from '../../base/index.js'
import { openNode, type IpfsNode, type OpenNodeOptions } from '../../node/index.js'
import { allocatePages, type DrivePaths } from '../../platform/index.js'
import type { NodeCredential } from '../keys/node-keys.js'

export interface NodeConnector {
  readonly paths: DrivePaths
  readonly log: Log
  readonly version: string
}

export function connectNode(
  { paths, log, version }: NodeConnector,
  address: string,
  credential: NodeCredential | undefined,
  how: Pick<OpenNodeOptions, 'mustExist'>,
): Promise<IpfsNode> {
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
