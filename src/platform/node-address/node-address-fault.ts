/** What is wrong with a text that is no address of a node, for the user who typed it. Pure. */
import { pathToFileURL } from 'node:url'
import { DriveError, printable } from '../../base/index.js'
import { isNodeUrl } from '../config.js'

const FORMS =
  'A node is "embedded", http(s)://HOST:PORT, unix:///SOCKET, file:///FOLDER, or a multiaddr such as /ip4/127.0.0.1/tcp/5001. ' +
  'Only localhost:PORT, 127.0.0.1:PORT and [::1]:PORT need no http://.'
const MOST_SHOWN = 100

/**
 * @param address as `nodeUrlOf` returns it
 * @throws USAGE that quotes the text, without credentials, and says what is wrong
 */
export function requireNodeUrl(address: string): void {
  if (address.trim() === '') throw new DriveError('USAGE', `The address of the node is empty. ${FORMS}`)
  if (/^(bearer|basic):/i.test(address))
    throw new DriveError('USAGE', `This is a key, not the address of a node. A key is read from a file. ${FORMS}`)
  const fault = isNodeUrl(address) ? apiPathFault(address) : faultOf(address)
  if (fault === undefined) return
  throw new DriveError('USAGE', `"${shown(address)}" is not the address of a node: ${fault} ${FORMS}`)
}

const MULTIADDR = /^\/(ip4|ip6|dns|dns4|dns6|dnsaddr|unix)(\/|$)/
const PATH = /^(\/(?!\/)|\.{1,2}\/|~)/
const HOST_AND_PORT = /^([\w.-]+|\[[\da-f:]+\]):(\d+)(\/|$)/i
const SCHEME = /^([a-z][a-z\d+.-]*):/i

/** Kubo prints the address of its API with a path, and browsers show the one of its pages. */
function apiPathFault(address: string): string | undefined {
  if (!/^https?:/i.test(address)) return undefined
  const { origin, pathname } = new URL(address)
  const [found] = /\/(api(\/v0)?|webui)(\/|$).*$/.exec(pathname) ?? []
  if (found === undefined) return undefined
  return `leave out the path: ${printable(origin + pathname.slice(0, -found.length))}.`
}

function faultOf(address: string): string {
  if (MULTIADDR.test(address)) return 'of the multiaddrs, those of a TCP port and of a unix socket are known.'
  if (PATH.test(address)) return pathFault(address)
  if (address.includes('@')) return 'it must not hold a user name or password. Put them into a key file.'
  const [, host, port] = HOST_AND_PORT.exec(address) ?? []
  if (host !== undefined) return `write http://${host}:${port} or https://${host}:${port}.`
  const [, scheme] = SCHEME.exec(address) ?? []
  if (scheme !== undefined) return urlFault(address, scheme.toLowerCase())
  if (/^emb/i.test(address)) return 'did you mean "embedded"?'
  if (address.includes('/')) return pathFault(address)
  return 'it does not begin with http://, https://, unix:// or file://.'
}

function pathFault(path: string): string {
  if (!path.startsWith('/')) return 'did you mean file://PATH? PATH begins with a slash.'
  return `did you mean ${cut(pathToFileURL(path).href)}?`
}

function urlFault(address: string, scheme: string): string {
  if (scheme === 'file' || scheme === 'unix') {
    if (/^[a-z]+:\/\/\//i.test(address)) return 'its path has an escape (%) that no path of a file can have.'
    return `write ${scheme}:// and a path that begins with a slash: ${scheme}:///PATH.`
  }
  if (scheme !== 'http' && scheme !== 'https') return `${cut(scheme)}: is none of http:, https:, unix: and file:.`
  const [, port] = /^https?:\/\/[^/]*:(\d+)(?:[/?#]|$)/i.exec(address) ?? []
  if (port !== undefined && Number(port) > 65_535) return 'no port is above 65535.'
  return `write ${scheme}://HOST:PORT.`
}

/** One line without control characters. Whatever may be a user name, a password or a parameter is removed. */
function shown(address: string): string {
  const isPath = PATH.test(address) && !MULTIADDR.test(address)
  if (isPath || /^(file|unix):/i.test(address)) return cut(address)
  const [scheme = ''] = /^[a-z][a-z\d+.-]*:\/\//i.exec(address) ?? []
  const rest = address.slice(scheme.length)
  const [before = ''] = MULTIADDR.exec(address) ?? []
  return cut(scheme + (rest.includes('@') ? before : '') + rest.replace(/^.*@/s, '').replace(/[?#].*$/s, ''))
}

function cut(text: string): string {
  return printable(text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text)
}
