/**
 * Uses damaged block stores in every way and prints what it detects. The exit status is 1 if bytes were wrong or an
 * error was not a DriveError.
 */
import { pathToFileURL } from 'node:url'
import { isDriveError, silentLog, systemClock, systemRandom } from '../../src/base/index.js'
import { openNode, type IpfsNode } from '../../src/node/index.js'
import { pinTreeOver, nameKey, rawBlocks } from './node-material.js'

let isNoticed = false

for (const path of process.argv.slice(2)) {
  isNoticed = false
  process.stdout.write(`${path}\n`)
  const options = { dataDirectory: '/nonexistent', clock: systemClock, log: silentLog, random: systemRandom }
  const node = await tried(() => openNode(pathToFileURL(path).href, options))
  if (node !== undefined) await useAll(node)
  if (isNoticed) process.stdout.write('damage seen\n')
}

async function useAll(node: IpfsNode): Promise<void> {
  const forest = pinTreeOver(rawBlocks(60, 3000, 1))
  const readAll = async (): Promise<void> => {
    for (const block of [...forest.blocks, ...rawBlocks(60, 2000, 2)]) {
      const bytes = await tried(() => node.getBlock(block.cid))
      if (bytes !== undefined && Buffer.compare(bytes, block.bytes) !== 0) throw new Error('wrong bytes')
    }
  }
  await readAll()
  const key = await nameKey(1)
  await tried(() => node.getName(key.name))
  const pins = await tried(() => node.listPins())
  if (pins?.length !== 1) isNoticed = true
  await tried(() => node.collectGarbage())
  await readAll()
  // Sending the blocks again repairs the damage.
  await tried(() => node.importBlocks(forest.blocks, { roots: [] }))
  await tried(() => node.pin(forest.root, { name: 'again' }))
  for (const block of forest.blocks) {
    const bytes = await node.getBlock(block.cid)
    if (Buffer.compare(bytes, block.bytes) !== 0) throw new Error('wrong bytes')
  }
  await node.close()
}

async function tried<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (!isDriveError(error)) throw error
    isNoticed = true
    return undefined
  }
}
