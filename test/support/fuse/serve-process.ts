/**
 * Process entry for tests: `node serve-process.js MOUNTPOINT OPTIONS_JSON` serves an in-memory tree from a Worker and
 * prints each of its messages as a line of JSON. Commands on standard input: `unmount`, `terminate` or `exit`.
 */
import { createInterface } from 'node:readline'
import { Worker } from 'node:worker_threads'
import type { MountOptions } from '../../../src/fuse/contract.js'

const [mountpoint = '', options = '{}'] = process.argv.slice(2)
const worker = new Worker(new URL('./serve-memory-tree.js', import.meta.url), {
  workerData: { mountpoint, options: JSON.parse(options) as MountOptions },
})
const print = (message: unknown): void => void process.stdout.write(`${JSON.stringify(message)}\n`)
worker.on('message', print)
worker.on('exit', (code) => {
  print({ exited: code })
  input.close()
})
const input = createInterface({ input: process.stdin }).on('line', (line) => {
  if (line === 'unmount') worker.postMessage({ id: 1, command: { do: 'unmount', options: {} } })
  if (line === 'terminate') void worker.terminate()
  if (line === 'exit') process.exit(0)
})
// The test that started this process has ended, or the Worker has.
input.on('close', () => process.exit(0))
