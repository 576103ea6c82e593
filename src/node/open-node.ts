/** Opens a node from the text of its address. */
import { isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DriveError } from '../base/index.js'
import type { IpfsNode, NodeCapabilities } from './contract.js'
import { openEmbeddedNode } from './embedded/embedded-node.js'
import type { Listener } from './kubo/socket-tables.js'
import { isOwnHost } from './kubo/this-machine.js'
import { DEFAULT_TIMEOUTS, type OpenNodeOptions } from './open-options.js'

/**
 * Opens a node by its address: `embedded`, `file:///path` (a block store in any folder), `http(s)://host:port` or
 * `unix:///path` (the RPC API of Kubo 0.40 to 0.43). Nothing is sent to a Kubo node until its first call; use `check`.
 * Errors: USAGE for an address of another form, LOCKED for a block store in use, and disk errors.
 */
export async function openNode(address: string, options: OpenNodeOptions): Promise<IpfsNode> {
  if (address === 'embedded') return openEmbeddedNode(join(options.dataDirectory, 'node'), options)
  const url = parse(address)
  switch (url.protocol) {
    case 'file:':
      return openEmbeddedNode(localPath(url), options)
    case 'http:':
    case 'https:':
    case 'unix:': {
      // Loaded only when it is used.
      const { openKuboNode } = await import('./kubo/kubo-node.js')
      return openKuboNode(url, { ...options, timeouts: { ...DEFAULT_TIMEOUTS, ...options.timeouts } })
    }
    default:
      throw unknownForm()
  }
}

/** The capabilities of the node at an address. */
export function capabilitiesOf(address: string): NodeCapabilities {
  const isBesideData = address === 'embedded'
  return { isOwnStore: isBesideData || /^file:/i.test(address), isBesideData }
}

/** Whether the address leads to this machine, without an answer of it: a copy there is lost with this machine. */
export function isOfThisMachine(address: string): boolean {
  return !/^https?:/i.test(address) || isOwnHost(hostOf(parse(address)))
}

/**
 * The scope of a credential: scheme, host, port and path, or the socket. Undefined for addresses without credentials.
 */
export function originOf(address: string): string | undefined {
  if (!/^(https?|unix):/i.test(address)) return undefined
  const url = parse(address)
  const path = url.pathname.replace(/\/+$/, '')
  return url.protocol === 'unix:' ? `unix://${path}` : `${url.origin}${path}`
}

/**
 * The current listener at this address, to be stored with its credential; undefined where it cannot be determined.
 * OFFLINE when nothing listens.
 */
export async function listenerOf(address: string): Promise<Listener | undefined> {
  if (!/^(http|unix):/i.test(address)) return undefined
  const [{ listenerFor }, { connectionFailure }] = await Promise.all([
    import('./kubo/endpoint.js'),
    import('./kubo/failures.js'),
  ])
  return listenerFor(parse(address)).catch((error: unknown) => {
    throw connectionFailure(error, originOf(address) ?? '')
  })
}

/** A warning for a key that is sent to a port whose listener could not be recorded; otherwise undefined. */
export function listenerWarning(address: string, listener: Listener | undefined): string | undefined {
  if (!/^http:/i.test(address) || !isOwnHost(hostOf(parse(address))) || (listener?.length ?? 0) > 0) return undefined
  const why =
    listener === undefined
      ? "This machine does not show which program listens at the node's port, so the node key is sent to any program there."
      : "No program of this machine listens at the node's port (it may belong to a container), so the node key is sent wherever the port leads."
  return `${why} A unix socket (unix:///folder/api.sock) is safer.`
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1')
}

function parse(address: string): URL {
  try {
    return new URL(address)
  } catch {
    // URL's error repeats its input, which may hold a password.
    throw unknownForm()
  }
}

function localPath(url: URL): string {
  if (url.host !== '') throw unknownForm()
  const path = fileURLToPath(url)
  if (!isAbsolute(path) || path === '/') throw unknownForm()
  return resolve(path)
}

function unknownForm(): DriveError {
  return new DriveError(
    'USAGE',
    'The form of a node address is `embedded`, `file:///folder`, `http://host:port`, `https://host:port` or `unix:///socket`.',
  )
}
