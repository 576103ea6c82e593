/**
 * Reads the kernel's list of TCP sockets of this machine: the listeners of a port, and whether the peer of a connection
 * is a socket of this machine. Source: /proc/net/tcp and tcp6 (Linux, Documentation/networking/proc_net_tcp.rst).
 */
import { readFile } from 'node:fs/promises'
import { isIPv4, isIPv6 } from 'node:net'
import { endianness } from 'node:os'

/**
 * The uids of the listeners, in ascending order. Empty: no program of this machine listens, as with a forwarded
 * container port.
 */
export type Listener = readonly number[]

/** Both ends of a connection, with the field names of node:net's Socket. */
export interface Ends {
  readonly localAddress: string
  readonly localPort: number
  readonly remoteAddress: string
  readonly remotePort: number
}

/** The tables' information about the peer of one of our connections. */
export interface OtherEnd {
  /** The tables are readable and list our own end. */
  readonly isListed: boolean
  /** The peer is a socket of this machine, accepted or waiting to be accepted. */
  readonly isHere: boolean
  readonly listener: Listener
}

interface Row {
  readonly local: string
  readonly remote: string
  readonly isListening: boolean
  readonly uid: number
}

const LISTEN = '0A'

/**
 * @param address an IP address of this machine; a socket bound to exactly this address has priority over one bound to
 * all addresses
 */
export async function listenerAt(address: string, port: number): Promise<Listener> {
  return listenerIn(await rowsNow(), address, port)
}

/** @param ends both ends of an open connection of this process */
export async function otherEndOf(ends: Ends): Promise<OtherEnd> {
  const rows = await rowsNow()
  const own = placesOf(ends.localAddress, ends.localPort)
  const other = placesOf(ends.remoteAddress, ends.remotePort)
  const lists = (local: readonly string[], remote: readonly string[]): boolean =>
    rows.some((row) => local.includes(row.local) && remote.includes(row.remote))
  return {
    isListed: lists(own, other),
    isHere: lists(other, own),
    listener: listenerIn(rows, ends.remoteAddress, ends.remotePort),
  }
}

function listenerIn(rows: readonly Row[], address: string, port: number): Listener {
  const listening = rows.filter((row) => row.isListening)
  for (const wanted of [placesOf(address, port), anyPlaces(address, port)]) {
    const uids = listening.filter((row) => wanted.includes(row.local)).map(({ uid }) => uid)
    if (uids.length > 0) return [...new Set(uids)].sort((a, b) => a - b)
  }
  return []
}

async function rowsNow(): Promise<Row[]> {
  return (await Promise.all(['tcp', 'tcp6'].map(rowsOf))).flat()
}

async function rowsOf(table: string): Promise<Row[]> {
  const text = await readFile(`/proc/net/${table}`, 'latin1').catch(() => '') // this protocol is not available
  return text.split('\n').flatMap((line) => {
    const [, local, remote, state, , , , uid] = line.trim().split(/\s+/)
    if (local === undefined || remote === undefined || !local.includes(':')) return []
    return [{ local, remote, isListening: state === LISTEN, uid: Number(uid) }]
  })
}

/**
 * The notation of an address in the tables: words of 32 bits in the byte order of the machine. IPv4 addresses occur in
 * both tables.
 */
function placesOf(address: string, port: number): string[] {
  const v4 = address.replace(/^::ffff:/i, '')
  if (!isIPv4(v4)) return isIPv6(address) ? [at(wordsOfIPv6(address), port)] : []
  const own = word(v4.split('.').map(Number))
  return [at(own, port), at(zeros(2) + word([0, 0, 0xff, 0xff]) + own, port)]
}

/** @param address may have a zone, which the tables do not have */
function wordsOfIPv6(address: string): string {
  // URL writes every IPv6 address in one form: hexadecimal groups, at most one run of zeros left out.
  const plain = new URL(`http://[${address.replace(/%.*/s, '')}]`).hostname.slice(1, -1)
  const [before = [], after = []] = plain.split('::').map((part) => part.split(':').filter((group) => group !== ''))
  const groups = [...before, ...Array<string>(8 - before.length - after.length).fill('0'), ...after]
  const bytes = groups.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff])
  return [0, 4, 8, 12].map((from) => word(bytes.slice(from, from + 4))).join('')
}

/** The addresses of sockets that accept connections to all addresses. An IPv6 socket accepts IPv4 connections too. */
function anyPlaces(address: string, port: number): string[] {
  const v6 = at(zeros(4), port)
  return isIPv4(address.replace(/^::ffff:/i, '')) ? [at(zeros(1), port), v6] : [v6]
}

const at = (address: string, port: number): string => `${address}:${port.toString(16).toUpperCase().padStart(4, '0')}`
const zeros = (words: number): string => '0'.repeat(8 * words)

function word(bytes: readonly number[]): string {
  const ordered = endianness() === 'LE' ? bytes.toReversed() : bytes
  return Buffer.from(ordered).toString('hex').toUpperCase()
}
