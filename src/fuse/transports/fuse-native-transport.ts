/**
 * The second transport: fuse-native (libfuse 2) in a child process, for hosts where our addon cannot be built. Several
 * times slower. It lacks rename flags, fallocate, holes, server-side copies, times below a millisecond and pushed
 * invalidations. Changes of other devices show after a second.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { DriveError } from '../../base/index.js'
import type { Tree } from '../../vfs/index.js'
import type { FuseMount, FuseTransport, MountEnd, MountOptions } from '../contract.js'
import type { ChildMessage, ParentMessage } from './fuse-native-child.js'
import { PathAdapter } from './path-adapter.js'
import { connectionOf } from '../mounts/connection.js'
import { findMount, MOUNT_SOURCE } from '../mounts/mount-info.js'
import { unmountServed } from '../mounts/unmount-served.js'

const CHILD = fileURLToPath(new URL('./fuse-native-child.js', import.meta.url))
const SECONDS_BELIEVED = 1

/** Whether the package is installed; its libfuse.so.2 may still be missing, which `serve` reports. */
export function hasFuseNative(): boolean {
  try {
    createRequire(import.meta.url).resolve('fuse-native')
    return true
  } catch {
    return false // an optional dependency that was not installed
  }
}

export const fuseNativeTransport: FuseTransport = {
  name: 'fuse-native',
  async serve(tree, { mountpoint }, options) {
    const child = fork(CHILD, [mountpoint, childOptions(options)], { serialization: 'advanced', stdio: 'pipe' })
    const { ready, ended, hasEnded } = answer(child, tree)
    await ready
    const entry = await findMount(mountpoint)
    const mount: FuseMount = {
      mountpoint,
      transport: 'fuse-native',
      channel: undefined,
      release: () => undefined,
      ended,
      onEnd: (listener) => void ended.then(listener),
      ...connectionOf(mountpoint, entry),
      attach: () => Promise.resolve(false),
      writeBack: () => Promise.resolve(),
      async unmount(how = {}) {
        // Without our addon a flush is not possible. libfuse 2 keeps no dirty pages, and umount writes dirty mapped
        // pages.
        const noFlush = { syncfs: () => Promise.resolve({ result: 0, message: '' }) }
        await unmountServed(noFlush, tree, { mountpoint, minor: entry?.minor }, { ended, hasEnded }, how)
      },
    }
    return mount
  },
}

function childOptions(options: MountOptions): string {
  const source = (options.source ?? MOUNT_SOURCE).replace(/[\\,]/g, (character) => `\\${character}`)
  const believed = `entry_timeout=${SECONDS_BELIEVED},attr_timeout=${SECONDS_BELIEVED},auto_cache`
  const access = `${options.readOnly === true ? 'ro' : 'rw'}${options.allowOther === true ? ',allow_other' : ''}`
  return `${access},nosuid,nodev,default_permissions,use_ino,big_writes,${believed},fsname=${source},subtype=dagdrive`
}

interface Answered {
  readonly ready: Promise<void>
  readonly ended: Promise<MountEnd>
  readonly hasEnded: () => boolean
}

function answer(child: ChildProcess, tree: Tree): Answered {
  const adapter = new PathAdapter(tree)
  let over = false
  let complaints = ''
  child.stderr?.on('data', (chunk: Buffer) => (complaints = `${complaints}${chunk.toString()}`.slice(0, 2000)))
  const ended = new Promise<MountEnd>((resolve) => {
    child.on('exit', (code) => {
      over = true
      adapter.end()
      resolve(code === 0 ? 'unmounted' : 'failed')
    })
  })
  const ready = new Promise<void>((resolve, reject) => {
    const fail = (why: string): void =>
      reject(new DriveError('MOUNT_FAILED', `The drive could not be mounted with fuse-native: ${why}`))
    child.on('error', (error) => fail(error.message))
    child.on('exit', () => fail(complaints.split('\n').find((line) => /error|lib/i.test(line)) ?? 'its process ended'))
    child.on('message', (message: ChildMessage) => {
      if ('mounted' in message) resolve()
      else if ('failed' in message) fail(message.failed)
      else void adapter.call(message.operation, message.args).then((result) => reply(child, message.id, result))
    })
  })
  return { ready, ended, hasEnded: () => over }
}

function reply(child: ChildProcess, id: number, answered: Awaited<ReturnType<PathAdapter['call']>>): void {
  const message: ParentMessage = { id, answer: answered }
  if (child.connected) child.send(message)
}
