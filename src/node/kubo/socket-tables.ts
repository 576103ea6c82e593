/**
 * The TCP sockets of this machine as the kernel lists them: who listens on a port, and whether the other end of a
 * connection is a socket of this machine. Read from /proc/net/tcp and tcp6 (Linux,
 * Documentation/networking/proc_net_tcp.rst).
 */
import { readFile } from 'node:fs/promises'
import { isIPv4 } from 'node:net'
import { endianness } from 'node:os'

/**
 * The uids of those who may be reached, in ascending order. Empty: nobody of this machine, as where a container's port
 * is passed on.
 */
export type Listener = readonly number[]

/** Both ends of a connection, as Socket of node:net names them. */
export interface Ends {
  readonly localAddress: string
  readonly localPort: number
  readonly remoteAddress: string
  readonly remotePort: number
}

/** What the tables say of the other end of one of our connections. */
export interface OtherEnd {
  /** The tables can be read, and list our own end. */
  readonly isListed: boolean
  /** The other end is a socket of this machine, accepted or waiting for that. */
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
 * @param address an IP address of this machine; a socket bound to exactly it comes before one bound to every address
 */
export async function listenerAt(address: string, port: number): Promise<Listener> {
  return listenerIn(await rowsNow(), address, port)
}

/** @param ends of a connection of this process that is open */
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
  const text = await readFile(`/proc/net/${table}`, 'latin1').catch(() => '') // no such protocol here
  return text.split('\n').flatMap((line) => {
    const [, local, remote, state, , , , uid] = line.trim().split(/\s+/)
    if (local === undefined || remote === undefined || !local.includes(':')) return []
    return [{ local, remote, isListening: state === LISTEN, uid: Number(uid) }]
  })
}

/**
 * How the tables write a place: the address in words of 32 bits in the byte order of the machine. IPv4 in both tables.
 */
function placesOf(address: string, port: number): string[] {
  const v4 = address.replace(/^::ffff:/i, '')
  if (!isIPv4(v4)) return address === '::1' ? [at(zeros(3) + word([0, 0, 0, 1]), port)] : []
  const own = word(v4.split('.').map(Number))
  return [at(own, port), at(zeros(2) + word([0, 0, 0xff, 0xff]) + own, port)]
}

/** Where a socket listens that takes connections to every address; one of IPv6 takes those of IPv4 too. */
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
