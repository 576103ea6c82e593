/**
 * Checks who made a unix socket. In a folder where others may make files, such as /tmp, another user can make a socket
 * of the same name while the node is down. The owner of the file distinguishes the node from such a program.
 */
import { lstat } from 'node:fs/promises'
import { Agent, type AgentOptions } from 'node:http'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { DriveError } from '../../base/index.js'
import type { Listener } from './socket-tables.js'

/** The uid of the owner of the socket. @throws OFFLINE when there is no socket */
export async function ownerOfSocket(path: string): Promise<Listener> {
  const { uid } = await statSocket(path)
  return [uid]
}

/** An agent that sends data only over a socket that the expected user made; otherwise NODE_DENIED. */
export class OwnedSocketAgent extends Agent {
  constructor(
    private readonly path: string,
    private readonly expected: Listener,
    private readonly connectMs: number,
    options: AgentOptions,
  ) {
    super(options)
  }

  override createConnection(_options: unknown, done?: (error: Error | null, stream: Duplex) => void): undefined {
    this.#connect().then(
      (socket) => done?.(null, socket),
      // Node.js ignores the second argument after an error.
      (error: Error) => done?.(error, undefined as unknown as Duplex),
    )
    return undefined
  }

  /** The same file before and after connecting is the one that was connected to. */
  async #connect(): Promise<Socket> {
    const before = await statSocket(this.path)
    this.#requireOwner(before.uid)
    const socket = await connected(this.path, this.connectMs)
    try {
      const after = await statSocket(this.path)
      this.#requireOwner(after.uid)
      if (after.ino !== before.ino || after.ctimeMs !== before.ctimeMs) throw offline()
      return socket
    } catch (error) {
      socket.destroy()
      throw error
    }
  }

  #requireOwner(uid: number): void {
    if (this.expected.join() === String(uid)) return
    throw new DriveError(
      'NODE_DENIED',
      "The node's socket now belongs to another user, so the node key was not sent. If this change is intended, run `dagdrive node set` again.",
      { about: { where: `unix://${this.path}`, uids: String(uid), expectedUids: this.expected.join() } },
    )
  }
}

interface SocketFile {
  readonly uid: number
  readonly ino: number
  readonly ctimeMs: number
}

async function statSocket(path: string): Promise<SocketFile> {
  try {
    const found = await lstat(path)
    if (found.isSocket()) return found
  } catch {
    // Not there: the node is down.
  }
  throw offline()
}

function connected(path: string, timeoutMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path })
    const fail = (): void => {
      socket.destroy()
      reject(offline())
    }
    socket.on('error', fail)
    socket.setTimeout(timeoutMs, fail)
    socket.once('connect', () => {
      socket.setTimeout(0)
      resolve(socket)
    })
  })
}

function offline(): DriveError {
  return new DriveError('OFFLINE', 'The node cannot be reached.')
}
