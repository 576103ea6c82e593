/**
 * A test loads this file into a daemon (`node --import`). Truncating a file to 4,243 bytes creates the file
 * DAGDRIVE_TEST_POISON and kills the process, as soon as it has answered. While that file exists, the drive thread
 * throws when it makes a directory `poison`.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { isMainThread, workerData } from 'node:worker_threads'

const path = process.env['DAGDRIVE_TEST_POISON']
const isDriveThread = !isMainThread && (workerData as { dataPort?: unknown } | null)?.dataPort !== undefined
if (path !== undefined && isDriveThread) {
  const { PosixTree } = await import('../../src/vfs/posix-tree.js')
  const setAttributes = Reflect.get(PosixTree.prototype, 'setAttributes')
  PosixTree.prototype.setAttributes = function (ino, change, handle, caller) {
    if (change.size === 4243 && !existsSync(path)) {
      setImmediate(() => {
        writeFileSync(path, '')
        process.kill(process.pid, 'SIGKILL')
      })
    }
    return setAttributes.call(this, ino, change, handle, caller)
  }
  const makeDirectory = Reflect.get(PosixTree.prototype, 'makeDirectory')
  PosixTree.prototype.makeDirectory = function (parent, name, mode, caller) {
    if (!existsSync(path) || String(name) !== 'poison') return makeDirectory.call(this, parent, name, mode, caller)
    setImmediate(() => {
      throw new Error('ended by a replay')
    })
    return new Promise(() => undefined)
  }
}
