/** Bit rot in the stored blocks of a drive or a node. */
import { closeSync, openSync, readdirSync, readSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { BlockIndex } from '../../src/node/embedded/block-index.js'
import type { BlockLocation } from '../../src/storage/segments/index.js'
import { COUNTED_NAMES } from '../../src/storage/segments/segment-names.js'

/** Damages the largest block of a dagdrive block store. */
export async function damageStore(directory: string): Promise<void> {
  const index = await BlockIndex.open(directory)
  let largest: BlockLocation | undefined
  for (const page of index.pages())
    for (const [, location] of page) if (largest === undefined || location.length > largest.length) largest = location
  await index.close()
  if (largest === undefined) throw new Error('the store has no block')
  const path = COUNTED_NAMES.pathOf(join(directory, 'segments'), largest.segment)
  flip(path, largest.offset + Math.floor(largest.length / 2))
}

/**
 * Damages or removes the chosen block files of a Kubo repository (flatfs).
 * @returns their number
 */
export function damageKubo(
  repo: string,
  choose: (files: readonly BlockFile[]) => readonly BlockFile[],
  how: 'flip' | 'remove' = 'flip',
): number {
  const blocks = join(repo, 'blocks')
  const files = readdirSync(blocks, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.data'))
    .map((name) => ({ path: join(blocks, name), bytes: statSync(join(blocks, name)).size }))
    .sort((a, b) => b.bytes - a.bytes)
  const chosen = choose(files)
  for (const { path, bytes } of chosen) {
    if (how === 'remove') rmSync(path)
    else flip(path, Math.floor(bytes / 2))
  }
  return chosen.length
}

export interface BlockFile {
  readonly path: string
  readonly bytes: number
}

/** Damages the middle of the largest file of sealed blocks on this machine. */
export function damageCache(dataDirectory: string): void {
  const segments = join(dataDirectory, 'segments')
  const [largest] = readdirSync(segments)
    .map((name) => ({ path: join(segments, name), bytes: statSync(join(segments, name)).size }))
    .sort((a, b) => b.bytes - a.bytes)
  flip(largest!.path, Math.floor(largest!.bytes / 2))
}

function flip(path: string, offset: number): void {
  const file = openSync(path, 'r+')
  const byte = Buffer.alloc(1)
  readSync(file, byte, 0, 1, offset)
  byte[0]! ^= 0xff
  writeSync(file, byte, 0, 1, offset)
  closeSync(file)
}
