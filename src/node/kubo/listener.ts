/**
 * Who listens on a port of this machine. Any user may take a loopback port while the node is down; the uid of the
 * listener tells a squatter from the node. Read from /proc/net/tcp and tcp6 (Linux,
 * Documentation/networking/proc_net_tcp.rst).
 */
import { readFile } from 'node:fs/promises'
import { Agent, type AgentOptions } from 'node:http'
import { connect, isIPv4, type Socket } from 'node:net'
import { endianness } from 'node:os'
import type { Duplex } from 'node:stream'
import { DriveError } from '../../base/index.js'

/**
 * The uids of those who may be reached, in ascending order. Empty: nobody of this machine, as where a container's port
 * is passed on.
 */
export type Listener = readonly number[]

const LISTEN = '0A'

/**
 * @param address an IP address of this machine; a socket bound to exactly it comes before one bound to every address
 */
export async function listenerAt(address: string, port: number): Promise<Listener> {
  const rows = (await Promise.all(['tcp', 'tcp6'].map(rowsOf))).flat().filter((row) => row.port === port)
  for (const wanted of addressesFor(address)) {
    const uids = rows.filter((row) => wanted.includes(row.address)).map(({ uid }) => uid)
    if (uids.length > 0) return [...new Set(uids)].sort((a, b) => a - b)
  }
  return []
}

async function listenersOf(port: number): Promise<Listener> {
  const rows = (await Promise.all(['tcp', 'tcp6'].map(rowsOf))).flat().filter((row) => row.port === port)
  return [...new Set(rows.map(({ uid }) => uid))].sort((a, b) => a - b)
}

/** Connections of this agent carry nothing unless exactly `expected` listens where they lead; otherwise NODE_DENIED. */
export function guardedAgent(expected: Listener, where: string, connectMs: number, options: AgentOptions): Agent {
  return new GuardedAgent(expected, where, connectMs, options)
}

/** Who listens at a host and port now. OFFLINE when nobody answers. */
export async function listenerBehind(hostname: string, port: number, connectMs: number): Promise<Listener> {
  const socket = await connected(hostname, port, connectMs)
  try {
    return await listenerAt(socket.remoteAddress ?? '', port)
  } finally {
    socket.destroy()
  }
}

class GuardedAgent extends Agent {
  constructor(
    private readonly expected: Listener,
    private readonly where: string,
    private readonly connectMs: number,
    options: AgentOptions,
  ) {
    super(options)
  }

  override createConnection(
    { host, hostname, port }: { host?: string | null; hostname?: string | null; port?: number | string | null },
    done?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    this.#connect(host ?? hostname ?? 'localhost', Number(port)).then(
      (socket) => done?.(null, socket),
      // Node ignores the second argument of a failure.
      (error: Error) => done?.(error, undefined as unknown as Duplex),
    )
    return undefined
  }

  async #connect(host: string, port: number): Promise<Socket> {
    // Where nobody of this machine shall listen, somebody who does may stop in the moment between connecting and
    // looking.
    const before = this.expected.length === 0 ? await listenersOf(port) : this.expected
    const socket = await connected(host, port, this.connectMs)
    const { remoteAddress = '' } = socket
    const found = await listenerAt(remoteAddress, port)
    if (socket.destroyed || remoteAddress === '') throw new DriveError('OFFLINE', 'The node cannot be reached.')
    if (found.join() === this.expected.join() && before.join() === this.expected.join()) return socket
    socket.destroy()
    throw new DriveError(
      'NODE_DENIED',
      "At the node's port listens another user than when it was set, so the key is not sent. If that is right, run `dagdrive node set` again.",
      { about: { where: this.where, uids: found.join(), expectedUids: this.expected.join() } },
    )
  }
}

function connected(host: string, port: number, timeoutMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port })
    const fail = (cause?: unknown): void => {
      socket.destroy()
      reject(cause instanceof Error ? cause : new DriveError('OFFLINE', 'The node cannot be reached.'))
    }
    socket.on('error', fail)
    socket.setTimeout(timeoutMs, fail)
    socket.once('connect', () => {
      // A reset before somebody takes the socket over must find a listener; afterwards this one does nothing.
      socket.setTimeout(0)
      resolve(socket)
    })
  })
}

interface Row {
  readonly address: string
  readonly port: number
  readonly uid: number
}

async function rowsOf(table: string): Promise<Row[]> {
  const text = await readFile(`/proc/net/${table}`, 'latin1').catch(() => '') // no such protocol here
  return text.split('\n').flatMap((line) => {
    const [, local = '', , state, , , , uid] = line.trim().split(/\s+/)
    const [address = '', port = ''] = local.split(':')
    return state === LISTEN ? [{ address, port: Number.parseInt(port, 16), uid: Number(uid) }] : []
  })
}

/**
 * As the tables write them: words of 32 bits in the byte order of the machine. First those of the address itself, then
 * of any.
 */
function addressesFor(address: string): readonly (readonly string[])[] {
  const any = word([0, 0, 0, 0])
  const zeros = any.repeat(4)
  const v4 = address.replace(/^::ffff:/i, '')
  if (isIPv4(v4)) {
    const own = word(v4.split('.').map(Number))
    return [
      [own, any + any + word([0, 0, 0xff, 0xff]) + own],
      [any, zeros],
    ]
  }
  return address === '::1' ? [[any.repeat(3) + word([0, 0, 0, 1])], [zeros]] : [[zeros]]
}

function word(bytes: readonly number[]): string {
  const ordered = endianness() === 'LE' ? bytes.toReversed() : bytes
  return Buffer.from(ordered).toString('hex').toUpperCase()
}
