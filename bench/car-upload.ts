/**
 * Upload to a real Kubo: our streamed import against `ipfs dag import` of a CAR file with the same blocks. Each round
 * uses new blocks, because a block that the node already has costs less. Prints one line for each round and the median
 * ratio (target: 0.8 or more).
 *   node dist/bench/car-upload.js [MiB=256] [rounds=5]
 */
import { execFile } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { MIB, seededRandom, silentLog, systemClock, systemRandom } from '../src/base/index.js'
import { carStream } from '../src/dag/index.js'
import { openNode, type NodeBlock } from '../src/node/index.js'
import { startKubo } from '../test/kubo/daemon.js'
import { rawBlock } from '../test/suites/node-material.js'

const BLOCK_BYTES = 256 * 1024
const sizeMib = Number(process.argv[2] ?? 256)
const rounds = Number(process.argv[3] ?? 5)

const daemon = await startKubo()
try {
  const node = await openNode(daemon.url, {
    dataDirectory: daemon.repo,
    clock: systemClock,
    log: silentLog,
    random: systemRandom,
  })
  const ratios: number[] = []
  for (let round = 0; round < rounds; round++) {
    const theirBlocks = blocksOf(2 * round + 1)
    const path = join(daemon.repo, 'upload.car')
    await pipeline(Readable.from(carStream([theirBlocks[0]!.cid], theirBlocks)), createWriteStream(path))
    const theirs = async (): Promise<void> => {
      await promisify(execFile)(daemon.program, ['dag', 'import', '--pin-roots=false', '--stats', path], {
        env: daemon.env,
      })
    }
    const ourBlocks = blocksOf(2 * round + 2)
    const ours = async (): Promise<void> => {
      await node.importBlocks(ourBlocks, { roots: [ourBlocks[0]!.cid] })
    }
    // Alternating, so that neither always runs on the warmer or fuller repository.
    const order = round % 2 === 0 ? [theirs, ours] : [ours, theirs]
    const took = new Map<() => Promise<void>, number>()
    for (const run of order) took.set(run, await time(run))
    await rm(path)
    await node.collectGarbage()
    const ratio = took.get(theirs)! / took.get(ours)!
    ratios.push(ratio)
    process.stdout.write(
      `round ${round + 1}: ours ${speed(took.get(ours)!)}, ipfs dag import ${speed(took.get(theirs)!)}, ratio ${ratio.toFixed(2)}\n`,
    )
  }
  ratios.sort((a, b) => a - b)
  process.stdout.write(
    `car-upload ratio ${ratios[ratios.length >> 1]!.toFixed(2)} (median of ${rounds}, ${sizeMib} MiB each; target >= 0.80)\n`,
  )
  await node.close()
} finally {
  await daemon.stop()
}

function blocksOf(seed: number): NodeBlock[] {
  const stamp = seededRandom(seed)
  const noise = systemRandom.bytes(65_536)
  return Array.from({ length: (sizeMib * MIB) / BLOCK_BYTES }, () => {
    const bytes = new Uint8Array(BLOCK_BYTES)
    for (let at = 0; at < BLOCK_BYTES; at += noise.length) bytes.set(noise, at)
    bytes.set(stamp.bytes(16), 0)
    return rawBlock(bytes)
  })
}

async function time(run: () => Promise<void>): Promise<number> {
  const began = performance.now()
  await run()
  return performance.now() - began
}

function speed(ms: number): string {
  return `${((sizeMib * 1000) / ms).toFixed(0)} MiB/s`
}
