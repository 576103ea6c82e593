/** Which names and addresses lead to this machine and to nowhere else. */
import { isIPv4 } from 'node:net'

/** Of the host of a URL, without brackets. */
export function isLoopback(hostname: string): boolean {
  const name = hostname.replace(/\.$/, '')
  return name === 'localhost' || name.endsWith('.localhost') || isLoopbackAddress(hostname)
}

/** 127.0.0.0/8, also as IPv6 writes it, and ::1. */
export function isLoopbackAddress(address: string): boolean {
  const v4 = address.replace(/^::ffff:/i, '')
  return isIPv4(v4) ? v4.startsWith('127.') : address === '::1' || /^::ffff:7f[0-9a-f]{2}:/i.test(address)
}

/**
 * Where to look for it: names of this machine are not looked up (RFC 6761, 6.3), as a resolver could lead them
 * elsewhere.
 */
export function addressesOf(hostname: string): readonly string[] {
  return isLoopbackAddress(hostname) ? [hostname] : ['127.0.0.1', '::1']
}
