/**
 * Whether the node, or somebody else, answers at a port of this machine. Any user may take a loopback port while the
 * node is down; the uid of the listener tells a squatter from the node. Where nobody of this machine listens, as with a
 * container's port that is passed on, the other end of a connection must not be a socket of this machine at all.
 */
import { Agent, type AgentOptions } from 'node:http'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { DriveError } from '../../base/index.js'
import { addressesOf, isLoopbackAddress } from './loopback.js'
import { otherEndOf, type Ends, type Listener, type OtherEnd } from './socket-tables.js'

/** Connections of this agent carry nothing unless exactly `expected` listens where they lead; otherwise NODE_DENIED. */
export function guardedAgent(expected: Listener, where: string, connectMs: number, options: AgentOptions): Agent {
  return new GuardedAgent(expected, where, connectMs, options)
}

/**
 * Who listens at a host and port now; undefined where this machine's tables do not say. OFFLINE when nobody answers.
 */
export async function listenerBehind(hostname: string, port: number, connectMs: number): Promise<Listener | undefined> {
  let failure: unknown
  for (const address of addressesOf(hostname)) {
    try {
      const socket = await connected(address, port, connectMs)
      try {
        const { isListed, listener } = await otherEndOf(endsOf(socket))
        return isListed ? listener : undefined
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
 * The listener is the one that was recorded. Where it was nobody, nobody of this machine may be at the other end
 * either.
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
      // Node ignores the second argument of a failure.
      (error: Error) => done?.(error, undefined as unknown as Duplex),
    )
    return undefined
  }

  /** A squatter at one of the addresses of `localhost` does not keep the node from being found at the other. */
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
    if (isLoopbackAddress(ends.remoteAddress) && isExpected(end, this.expected)) return socket
    socket.destroy()
    const uids = end.isHere && end.listener.length === 0 ? 'a program of this machine' : end.listener.join()
    throw new DriveError(
      'NODE_DENIED',
      "At the node's port listens another user than when it was set, so the key is not sent. If that is right, run `dagdrive node set` again.",
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
      // A reset before somebody takes the socket over must find a listener; afterwards this one does nothing.
      socket.setTimeout(0)
      resolve(socket)
    })
  })
}
