/**
 * Process entry: `node fuse-native-child.js MOUNTPOINT OPTIONS` mounts with fuse-native and forwards every operation
 * over the IPC channel. A process of its own, because fuse-native runs its callbacks on the main thread's loop only.
 * Unmounts and ends when its parent is gone; ends when the mount is gone.
 */
import { createRequire } from 'node:module'
import { detach } from '../mounts/detach.js'
import { findMount } from '../mounts/mount-info.js'
import type { PathAnswer } from './path-adapter.js'

/** Messages from this process: an operation, the success of the mount, or the reason of its failure. */
export type ChildMessage =
  | { readonly id: number; readonly operation: string; readonly args: readonly unknown[] }
  | { readonly mounted: true }
  | { readonly failed: string }

/** Messages to this process: the answer to an operation, or that the mount was detached. */
export type ParentMessage = { readonly id: number; readonly answer: PathAnswer } | { readonly end: true }

type Callback = (result: number, value?: unknown) => void
type Signal = (result: number, buffer: ArrayBufferLike) => void

interface FuseNativeModule {
  new (mountpoint: string, operations: Record<string, (...args: never[]) => void>, options: object): FuseInstance
}

interface FuseInstance {
  mount(callback: (error: Error | null) => void): void
  _fuseOptions(): string
  _op_getxattr(signal: Signal, path: string, name: string, buffer: Buffer): void
  _op_listxattr(signal: Signal, path: string, buffer: Buffer): void
}

const ERANGE = 34
const WATCH_MS = 1000
const [mountpoint = '', options = ''] = process.argv.slice(2)
const waiting = new Map<number, (answer: PathAnswer) => void>()
let nextId = 1

function ask(operation: string, args: readonly unknown[]): Promise<PathAnswer> {
  return new Promise((resolve) => {
    const id = nextId++
    waiting.set(id, resolve)
    send({ id, operation, args })
  })
}

function send(message: ChildMessage): void {
  process.send?.(message)
}

/** The callback is the last argument; `pick` selects the other arguments to send. */
function forward(operation: string, pick: (args: unknown[]) => unknown[] = (args) => args): (...args: never[]) => void {
  return (...all: unknown[]) => {
    const done = all.pop() as Callback
    void ask(operation, pick(all)).then(({ result, value }) => done(result, value))
  }
}

const byFd = ([, fd]: unknown[]): unknown[] => [fd]
const operations: Record<string, (...args: never[]) => void> = {
  fgetattr: forward('fgetattr', byFd),
  flush: forward('flush', byFd),
  release: forward('release', byFd),
  fsync: forward('fsync', ([, dataOnly, fd]) => [fd, dataOnly]),
  ftruncate: forward('ftruncate', ([, fd, size]) => [fd, size]),
  setxattr: forward('setxattr', ([path, name, value, , flags]) => [path, name, Buffer.from(value as Buffer), flags]),
  write: forward('write', ([, fd, data, length, offset]) => [
    fd,
    (data as Buffer).subarray(0, length as number),
    offset,
  ]),
  // As fuse-native calls it: path, descriptor, buffer, length, offset, callback.
  read: (...[, fd, into, length, offset, done]: [string, number, Buffer, number, number, Callback]) => {
    void ask('read', [fd, length, offset]).then(({ result, value }) => {
      if (result > 0) into.set(value as Uint8Array)
      done(result)
    })
  },
  statfs: (_path: string, done: Callback) => {
    void ask('statfs', []).then(({ result, value }) => {
      const s = value as Record<string, number>
      const shown = { bsize: s['blockSize'], frsize: s['blockSize'], blocks: s['totalBlocks'], bfree: s['freeBlocks'] }
      const more = {
        bavail: s['availableBlocks'],
        files: s['totalFiles'],
        ffree: s['freeFiles'],
        namemax: s['maxNameBytes'],
      }
      done(result, { ...shown, ...more })
    })
  },
}
for (const name of [
  'getattr',
  'readlink',
  'readdir',
  'open',
  'create',
  'truncate',
  'chmod',
  'chown',
  'utimens',
  'mknod',
]) {
  operations[name] = forward(name)
}
for (const name of ['mkdir', 'symlink', 'link', 'unlink', 'rmdir', 'rename', 'removexattr', 'fsyncdir']) {
  operations[name] = forward(name)
}
// Present only so that fuse-native announces the operations. The overrides below answer them.
operations['getxattr'] = operations['listxattr'] = () => {}

function main(): void {
  const Fuse = createRequire(import.meta.url)('fuse-native') as FuseNativeModule
  const fuse = new Fuse(mountpoint, operations, { timeout: false })
  fuse._fuseOptions = () => `-o${options}`
  // fuse-native's own versions return more bytes than fit into the caller's buffer.
  fuse._op_getxattr = (signal, path, name, buffer) => {
    void ask('getxattr', [path, name]).then((answer) => answerSized(signal, buffer, answer, answer.value as Uint8Array))
  }
  fuse._op_listxattr = (signal, path, buffer) => {
    void ask('listxattr', [path]).then((answer) => {
      const names = (answer.value as string[] | undefined) ?? []
      answerSized(signal, buffer, answer, Buffer.from(names.map((name) => `${name}\0`).join(''), 'latin1'))
    })
  }
  process.on('message', (message: ParentMessage) => {
    if ('end' in message) process.exit(0)
    waiting.get(message.id)?.(message.answer)
    waiting.delete(message.id)
  })
  process.on('disconnect', () => {
    void detach(mountpoint, true).finally(() => process.exit(0))
  })
  fuse.mount((error) => {
    if (error !== null) {
      send({ failed: error.message })
      process.exitCode = 1
      return
    }
    send({ mounted: true })
    setInterval(() => {
      void findMount(mountpoint).then((there) => {
        if (there === undefined) process.exit(0)
      })
    }, WATCH_MS)
  })
}

function answerSized(signal: Signal, buffer: Buffer, answer: PathAnswer, value: Uint8Array): void {
  if (answer.result < 0) signal(answer.result, buffer.buffer)
  else if (buffer.length > 0 && value.length > buffer.length) signal(-ERANGE, buffer.buffer)
  else {
    if (buffer.length > 0) buffer.set(value)
    signal(value.length, buffer.buffer)
  }
}

main()
