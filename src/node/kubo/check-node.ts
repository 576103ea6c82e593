/** Checks that a node is a Kubo that can hold a drive, and that we have access. */
import { DriveError } from '../../base/index.js'
import type { CallOptions, NodeStatus } from '../contract.js'
import { countField } from './answer-fields.js'
import { shorten } from '../words.js'
import type { KuboRpc } from './rpc.js'

/** Version 0.40 added `name/put`, which accepts records signed by others. */
const OLDEST = { major: 0, minor: 40 } as const

/** The only call that every key may make. @returns the version */
export async function probeNode(rpc: KuboRpc, { signal }: CallOptions): Promise<string | undefined> {
  const { Version } = await (await rpc.call('version', { signal })).json<{ Version?: unknown }>()
  const version = textOf(Version)
  requireVersion(version, rpc.endpoint.where)
  return version
}

export async function checkNode(rpc: KuboRpc, options: CallOptions): Promise<NodeStatus> {
  const { signal } = options
  const version = await probeNode(rpc, options)
  const { ID } = await (await rpc.call('id', { signal })).json<{ ID?: unknown }>()
  // Without `size-only` the node would walk over all its blocks.
  const { RepoSize } = await (
    await rpc.call('repo/stat', { query: { 'size-only': true }, signal })
  ).json<{ RepoSize?: unknown }>()
  return {
    kind: 'kubo',
    where: rpc.endpoint.where,
    sameMachine: rpc.endpoint.sameMachine,
    version: version ?? 'unknown',
    peerId: textOf(ID),
    blocks: undefined,
    bytes: countField(RepoSize),
  }
}

/** The version is shown to users, so it is kept short and printable. */
function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? shorten(value) : undefined
}

function requireVersion(version: string | undefined, where: string): void {
  const [major, minor] =
    /^(\d+)\.(\d+)/
      .exec(version ?? '')
      ?.slice(1)
      .map(Number) ?? []
  if (major === undefined || minor === undefined) {
    throw new DriveError('NODE_ERROR', 'The server at this address is not a Kubo RPC API.', { about: { where } })
  }
  if (major > OLDEST.major || minor >= OLDEST.minor) return
  throw new DriveError('NODE_ERROR', `This Kubo (${version}) is too old; version 0.40 or newer is required.`, {
    about: { where, version: version ?? '' },
  })
}
