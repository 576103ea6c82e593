/**
 * The names and addresses that lead to this machine. Its interfaces and its name change, so they are asked each time.
 */
import { BlockList, isIP, isIPv6 } from 'node:net'
import { hostname as nameOfMachine, networkInterfaces } from 'node:os'

/** A connection to "all addresses" (0.0.0.0 and ::) leads to this machine, as one to a loopback address does. */
const ALWAYS = new BlockList()
ALWAYS.addSubnet('127.0.0.0', 8)
ALWAYS.addAddress('0.0.0.0')
ALWAYS.addAddress('::1', 'ipv6')
ALWAYS.addAddress('::', 'ipv6')

/** @param hostname the host of a URL, without brackets */
export function isOwnHost(hostname: string): boolean {
  return isIP(hostname) === 0 ? isLoopbackName(hostname) || isOwnName(hostname) : isOwnAddress(hostname)
}

/** Loopback, unspecified, or the address of an interface; IPv4 also in IPv6 notation. */
export function isOwnAddress(address: string): boolean {
  const [plain = ''] = address.split('%') // without the zone of a link-local address
  return isIP(plain) !== 0 && (isIn(ALWAYS, plain) || isIn(addressesOfInterfaces(), plain))
}

/**
 * The addresses to connect to. Loopback names are not resolved (RFC 6761, 6.3), because a resolver could return other
 * addresses. The system resolves every other name.
 */
export function addressesOf(hostname: string): readonly string[] {
  return isLoopbackName(hostname) ? ['127.0.0.1', '::1'] : [hostname]
}

function isLoopbackName(hostname: string): boolean {
  const name = hostname.replace(/\.$/, '')
  return name === 'localhost' || name.endsWith('.localhost')
}

/** The name of this machine: whole, its first part, or as announced on the local network (RFC 6762). */
function isOwnName(hostname: string): boolean {
  const name = hostname.toLowerCase().replace(/\.$/, '')
  const own = nameOfMachine().toLowerCase()
  const first = own.replace(/\..*/s, '')
  return first !== '' && [own, first, `${first}.local`].includes(name)
}

function addressesOfInterfaces(): BlockList {
  const list = new BlockList()
  for (const { address } of Object.values(networkInterfaces()).flatMap((one) => one ?? []))
    list.addAddress(address, familyOf(address))
  return list
}

/** An IPv4 address in IPv6 notation is in the list if the IPv4 address is. */
function isIn(list: BlockList, address: string): boolean {
  return list.check(address, familyOf(address))
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4'
}
