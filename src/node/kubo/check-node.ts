/** Is this a Kubo that can hold a drive, and may we use it? */
import { DriveError } from '../../base/index.js'
import type { CallOptions, NodeStatus } from '../contract.js'
import type { Rpc } from './rpc.js'

/** `name/put`, which takes records signed elsewhere, came with 0.40. */
const OLDEST = { major: 0, minor: 40 } as const

export async function checkNode(rpc: Rpc, options: CallOptions): Promise<NodeStatus> {
  const { signal } = options
  const { Version: version } = await (await rpc.call('version', { signal })).json<{ Version?: string }>()
  requireVersion(version, rpc.endpoint.where)
  const { ID: peerId } = await (await rpc.call('id', { signal })).json<{ ID?: string }>()
  // Without `size-only` the node would walk over all its blocks.
  const { RepoSize: bytes } = await (
    await rpc.call('repo/stat', { query: { 'size-only': true }, signal })
  ).json<{ RepoSize?: number }>()
  return {
    kind: 'kubo',
    where: rpc.endpoint.where,
    sameMachine: rpc.endpoint.sameMachine,
    version: version ?? 'unknown',
    peerId,
    blocks: undefined,
    bytes,
  }
}

function requireVersion(version: string | undefined, where: string): void {
  const [major, minor] =
    /^(\d+)\.(\d+)/
      .exec(version ?? '')
      ?.slice(1)
      .map(Number) ?? []
  if (major === undefined || minor === undefined) {
    throw new DriveError('NODE_ERROR', 'What answers at this address is no Kubo RPC API.', { about: { where } })
  }
  if (major > OLDEST.major || minor >= OLDEST.minor) return
  throw new DriveError('NODE_ERROR', `This Kubo (${version}) is too old; version 0.40 or newer is needed.`, {
    about: { where, version: version ?? '' },
  })
}
