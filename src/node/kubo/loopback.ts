/** The names and addresses that always lead to this machine. */
import { isIPv4 } from 'node:net'

/** The host of a URL, without brackets. */
export function isLoopback(hostname: string): boolean {
  const name = hostname.replace(/\.$/, '')
  return name === 'localhost' || name.endsWith('.localhost') || isLoopbackAddress(hostname)
}

/** 127.0.0.0/8, also in IPv6 notation, and ::1. */
export function isLoopbackAddress(address: string): boolean {
  const v4 = address.replace(/^::ffff:/i, '')
  return isIPv4(v4) ? v4.startsWith('127.') : address === '::1' || /^::ffff:7f[0-9a-f]{2}:/i.test(address)
}

/**
 * The addresses of a loopback name. They are not resolved (RFC 6761, 6.3), because a resolver could return other
 * addresses.
 */
export function addressesOf(hostname: string): readonly string[] {
  return isLoopbackAddress(hostname) ? [hostname] : ['127.0.0.1', '::1']
}
