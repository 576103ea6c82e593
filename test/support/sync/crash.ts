/**
 * Kills a sync at its n-th step. A step is the moment before or after any call to the node, to the drive thread or of a
 * commit of the queue. After the kill, the dead sync has no effect.
 */
import type { IpfsNode } from '../../../src/node/index.js'
import type { DrivePort } from '../../../src/tree-state/index.js'
import type { Environment } from '../../../src/storage/kv/index.js'
import type { LocalDrive } from './local-drive.js'
import type { Device, Wrapping } from './world.js'

export class Killer {
  steps = 0
  isDead = false

  /** @param at the step that kills, from 1 */
  constructor(private readonly at: number) {}

  wrap(device: Device, node: IpfsNode): Wrapping {
    const { drive, queue } = device
    const blocks = this.#around(drive.localBlocks)
    return {
      node: this.#around(node),
      port: this.#around<DrivePort>(drive.port),
      blocks: {
        places: (digests) => blocks.places(digests),
        read: (digests, known) => blocks.read(digests, known),
        rest: () => undefined,
      },
      queue: this.#environment(queue),
    }
  }

  /** The drive with a step before and after each of its calls. */
  drive(drive: LocalDrive): LocalDrive {
    return this.#around(drive)
  }

  #step(): void {
    if (!this.isDead && ++this.steps !== this.at) return
    this.isDead = true
    throw new Error('killed')
  }

  #around<T extends object>(target: T): T {
    return new Proxy(target, {
      get: (object, name) => {
        const value = Reflect.get(object, name) as unknown
        if (typeof value !== 'function') return value
        return async (...args: unknown[]) => {
          this.#step()
          const result = (await Reflect.apply(value, object, args)) as unknown
          this.#step()
          return result
        }
      },
    })
  }

  #environment(queue: Environment): Environment {
    return {
      path: queue.path,
      table: (name, options) => queue.table(name, options),
      get pendingCount() {
        return queue.pendingCount
      },
      get pendingBytes() {
        return queue.pendingBytes
      },
      commit: async () => {
        this.#step()
        await queue.commit()
        this.#step()
      },
      close: () => queue.close(),
    }
  }
}
