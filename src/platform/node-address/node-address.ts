/** The forms of a node address that users have at hand, as the one form that this program keeps. Pure. */
import { isIPv4, isIPv6 } from 'node:net'

/**
 * The URL of a multiaddr, as in Kubo's configuration (`/ip4/127.0.0.1/tcp/5001`, `/dns/host/tcp/443/https`,
 * `/unix/run/api.sock`), or of `localhost:5001` without a scheme. Any other text stays as it is; see `isNodeUrl`. For
 * other hosts no scheme is guessed, because it decides whether a key is sent encrypted.
 */
export function nodeUrlOf(text: string): string {
  const address = text.trim()
  return ofMultiaddr(address) ?? (HERE.test(address) ? `http://${address}` : address)
}

const HERE = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\]):\d{1,5}$/i

function ofMultiaddr(address: string): string | undefined {
  const [empty, kind = '', ...rest] = address.split('/')
  if (empty !== '') return undefined
  if (kind === 'unix') return rest.join('') === '' ? undefined : `unix:///${rest.map(encodeURIComponent).join('/')}`
  const [host = '', ...transport] = rest
  const hostname = HOSTS[kind]?.(host)
  const [, port = '', scheme] = TRANSPORT.exec(`/${transport.join('/')}`) ?? []
  if (hostname === undefined || scheme === undefined || port + scheme === '') return undefined
  return `${SCHEMES[scheme] ?? 'http'}://${hostname}${port === '' ? '' : `:${port}`}`
}

const domain = (host: string): string | undefined => (/^[a-z0-9_.-]+$/i.test(host) ? host : undefined)

const HOSTS: Readonly<Record<string, (host: string) => string | undefined>> = {
  ip4: (host) => (isIPv4(host) ? host : undefined),
  ip6: (host) => (isIPv6(host) ? `[${host}]` : undefined),
  dns: domain,
  dns4: domain,
  dns6: domain,
}

const TRANSPORT = /^\/(?:tcp\/(\d{1,5})(?:\/|$))?(|http|https|tls\/http)$/

const SCHEMES: Readonly<Record<string, string>> = { https: 'https', 'tls/http': 'https' }
