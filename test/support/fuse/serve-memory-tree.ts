/** Worker entry for tests: serves an in-memory tree at `workerData.mountpoint` and executes commands from messages. */
import { parentPort, workerData } from 'node:worker_threads'
import { isDriveError, sleep, type PlainName } from '../../../src/base/index.js'
import type { Attributes, Caller } from '../../../src/vfs/index.js'
import { MemoryTree } from './memory/memory-tree.js'
import { mountTree } from '../../../src/fuse/mounts/mount-tree.js'
import type { FuseMount, MountOptions, UnmountOptions } from '../../../src/fuse/contract.js'

/** A command of a test. Each is answered by one message with the same `id`. */
export type ServerCommand =
  | { readonly do: 'unmount'; readonly options: UnmountOptions }
  | { readonly do: 'counts' }
  | { readonly do: 'remote-write'; readonly ino: number; readonly text: string }
  | { readonly do: 'invalidate'; readonly ino: number }
  | { readonly do: 'delay'; readonly ms: number }

export interface ServerData {
  readonly mountpoint: string
  readonly options: MountOptions
}

const port = parentPort
const { mountpoint, options } = workerData as ServerData

/**
 * Reading, writing, syncing, getting attributes and creating directories can be made slow. Only the last notices the
 * signal. The contract allows promises everywhere, but the base class needs none.
 */
class SlowTree extends MemoryTree {
  delayMs = 0

  override read(ino: number, handle: number, offset: number, size: number): readonly Uint8Array[] {
    return this.later(super.read(ino, handle, offset, size))
  }

  override write(ino: number, handle: number, offset: number, data: Uint8Array): number {
    return this.later(super.write(ino, handle, offset, data))
  }

  override getXattr(ino: number, name: string): Uint8Array {
    return this.later(super.getXattr(ino, name))
  }

  override sync(): void {
    return this.later(undefined)
  }

  override makeDirectory(parent: number, name: PlainName, mode: number, caller: Caller): Attributes {
    if (this.delayMs === 0) return super.makeDirectory(parent, name, mode, caller)
    const made = sleep(this.delayMs, caller.signal).then(() => super.makeDirectory(parent, name, mode, caller))
    return made as unknown as Attributes
  }

  private later<T>(value: T): T {
    return this.delayMs === 0 ? value : (sleep(this.delayMs).then(() => value) as T)
  }
}

const tree = new SlowTree({ uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 })

async function main(): Promise<void> {
  let mount: FuseMount
  try {
    mount = await mountTree({ tree, mountpoint, options })
  } catch (error) {
    port?.postMessage({ failed: isDriveError(error) ? error.code : String(error) })
    return
  }
  mount.onEnd((end) => port?.postMessage({ ended: end }))
  port?.on('message', ({ id, command }: { id: number; command: ServerCommand }) => {
    run(mount, command).then(
      (value) => port.postMessage({ id, value }),
      (error: unknown) => port.postMessage({ id, error: isDriveError(error) ? error.code : String(error) }),
    )
  })
  port?.postMessage({ mounted: mount.transport })
}

async function run(mount: FuseMount, command: ServerCommand): Promise<unknown> {
  if (command.do === 'unmount') return mount.unmount(command.options)
  if (command.do === 'delay') tree.delayMs = command.ms
  if (command.do === 'invalidate') tree.invalidate({ kind: 'inode', ino: command.ino, attributesOnly: false })
  if (command.do === 'remote-write') {
    tree.setAttributes(command.ino, { size: 0 })
    tree.write(command.ino, 0, 0, Buffer.from(command.text))
    tree.invalidate({ kind: 'inode', ino: command.ino, attributesOnly: false })
  }
  return { inodes: tree.inodeCount, handles: tree.handleCount }
}

void main()
