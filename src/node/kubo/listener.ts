/**
 * Checks whether the node or another program listens at a port of this machine. Any user can bind a port of it while
 * the node is down. The uid of the listener distinguishes the node from such a program. If no program of this machine
 * listens, as with a forwarded container port, the peer of a connection must not be a socket of this machine.
 */
import { Agent, type AgentOptions } from 'node:http'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { DriveError } from '../../base/index.js'
import { otherEndOf, type Ends, type Listener, type OtherEnd } from './socket-tables.js'
import { addressesOf, isOwnAddress } from './this-machine.js'

/** An agent that sends data only if exactly `expected` listens at the peer; otherwise NODE_DENIED. */
export function guardedAgent(expected: Listener, where: string, connectMs: number, options: AgentOptions): Agent {
  return new GuardedAgent(expected, where, connectMs, options)
}

/**
 * The current listener at a host and port; undefined if this machine's socket tables do not list it, or if the name
 * leads to another machine. OFFLINE when nothing answers.
 */
export async function listenerBehind(hostname: string, port: number, connectMs: number): Promise<Listener | undefined> {
  let failure: unknown
  for (const address of addressesOf(hostname)) {
    try {
      const socket = await connected(address, port, connectMs)
      try {
        const ends = endsOf(socket)
        const { isListed, listener } = await otherEndOf(ends)
        return isListed && isOwnAddress(ends.remoteAddress) ? listener : undefined
      } finally {
        socket.destroy()
      }
    } catch (error) {
      failure ??= error
    }
  }
  throw failure
}

/**
 * Checks that the listener is the recorded one. If none was recorded, the peer must not be a socket of this machine.
 */
function isExpected({ isListed, isHere, listener }: OtherEnd, expected: Listener): boolean {
  return isListed && listener.join() === expected.join() && !(expected.length === 0 && isHere)
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
      // Node.js ignores the second argument after an error.
      (error: Error) => done?.(error, undefined as unknown as Duplex),
    )
    return undefined
  }

  /** Tries all addresses of `localhost`: a foreign program at one of them must not hide the node at another. */
  async #connect(host: string, port: number): Promise<Socket> {
    let failure: unknown
    for (const address of addressesOf(host)) {
      try {
        return await this.#connectTo(address, port)
      } catch (error) {
        if (failure === undefined || (error instanceof DriveError && error.code === 'NODE_DENIED')) failure = error
      }
    }
    throw failure
  }

  async #connectTo(address: string, port: number): Promise<Socket> {
    const socket = await connected(address, port, this.connectMs)
    const ends = endsOf(socket)
    const end = await otherEndOf(ends)
    if (socket.destroyed || ends.remoteAddress === '') throw new DriveError('OFFLINE', 'The node cannot be reached.')
    if (isOwnAddress(ends.remoteAddress) && isExpected(end, this.expected)) return socket
    socket.destroy()
    const uids = end.isHere && end.listener.length === 0 ? 'a program of this machine' : end.listener.join()
    throw new DriveError(
      'NODE_DENIED',
      "Another user's program now listens at the node's port, so the node key was not sent. If this change is intended, run `dagdrive node set` again.",
      { about: { where: this.where, uids, expectedUids: this.expected.join() } },
    )
  }
}

function endsOf({ localAddress = '', localPort = 0, remoteAddress = '', remotePort = 0 }: Socket): Ends {
  return { localAddress, localPort, remoteAddress, remotePort }
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
      // Handles a connection reset before the agent takes the socket over. After that this handler does nothing.
      socket.setTimeout(0)
      resolve(socket)
    })
  })
}
