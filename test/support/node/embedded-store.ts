/** An embedded store in a temporary directory. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { type ExecutionContext } from 'ava'
import { silentLog, systemClock, systemRandom } from '../../../src/base/index.js'
import { allocatePages } from '../../../src/platform/index.js'
import { openNode, type IpfsNode } from '../../../src/node/index.js'

export const CHILD = fileURLToPath(new URL('../../../test/suites/node-import-child.js', import.meta.url))

export async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'dagdrive-store-'))
  t.teardown(() => rm(path, { recursive: true, force: true }))
  return path
}

export function openAt(path: string): Promise<IpfsNode> {
  const common = {
    dataDirectory: '/nonexistent',
    clock: systemClock,
    log: silentLog,
    random: systemRandom,
    allocatePages,
  }
  return openNode(pathToFileURL(path).href, common)
}

export async function use<T>(path: string, work: (node: IpfsNode) => Promise<T>): Promise<T> {
  const node = await openAt(path)
  try {
    return await work(node)
  } finally {
    await node.close()
  }
}

export function after(delayMs: number): AbortSignal {
  const abort = new AbortController()
  setTimeout(() => abort.abort(), delayMs)
  return abort.signal
}
