/**
 * A test loads this file into a daemon (`node --import`). The drive thread throws each time it truncates a file to
 * 4,242 bytes, after two seconds: the mount goes on before.
 */
import { isMainThread, workerData } from 'node:worker_threads'

if (!isMainThread && (workerData as { dataPort?: unknown } | null)?.dataPort !== undefined) {
  const { PosixTree } = await import('../../src/vfs/posix-tree.js')
  const setAttributes = Reflect.get(PosixTree.prototype, 'setAttributes')
  PosixTree.prototype.setAttributes = function (ino, change, handle, caller) {
    if (change.size !== 4242) return setAttributes.call(this, ino, change, handle, caller)
    setTimeout(() => {
      throw new Error('ended by a request')
    }, 2000)
    return new Promise(() => undefined)
  }
}
