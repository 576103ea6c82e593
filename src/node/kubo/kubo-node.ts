import { DriveError } from '../../base/index.js'
import type { IpfsNode } from '../contract.js'
import type { NodeTimeouts, OpenNodeOptions } from '../open-node.js'

export function openKuboNode(_url: URL, _options: OpenNodeOptions & { timeouts: NodeTimeouts }): IpfsNode {
  throw new DriveError('NOT_SUPPORTED', 'not yet')
}
