/**
 * A store of format 1 had an LMDB file for its index. It is read by a process of its own, that holds no keys and may
 * die of it, from a copy of the file; what that writes has checksums and is checked as any file of a store is.
 */
import { spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { DriveError } from '../../base/index.js'
import { openRegularFile } from '../../platform/index.js'
import { RootsFile } from './roots-file.js'
import { createAside } from './replace-file.js'
import { rename } from 'node:fs/promises'

const CHILD = fileURLToPath(new URL('./convert-format-1-child.js', import.meta.url))
const MOST_MS = 5 * 60_000

/** After it the files of format 2 are there; the caller moves the marker, and a crash before that does it all again. */
export async function convertFormat1(store: string): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), 'dagdrive-convert-'))
  try {
    await copy(join(store, 'index.mdb'), join(scratch, 'index.mdb'))
    await runChild(scratch)
    const { now } = await RootsFile.open(scratch)
    await copy(join(scratch, 'blocks.sorted'), join(store, 'blocks.sorted.new'))
    await rm(join(store, 'blocks.log'), { force: true })
    await rename(join(store, 'blocks.sorted.new'), join(store, 'blocks.sorted'))
    await (await RootsFile.open(store)).replace(now)
  } finally {
    await rm(scratch, { recursive: true })
  }
}

async function runChild(scratch: string): Promise<void> {
  const child = spawn(process.execPath, [CHILD, scratch], { env: {}, stdio: 'ignore', timeout: MOST_MS })
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', resolve)
  })
  if (status === 0) return
  throw new DriveError('NODE_ERROR', 'The index of the block store is damaged. Use a new folder for the node.', {
    about: { status: status ?? 'killed' },
  })
}

async function copy(from: string, to: string): Promise<void> {
  const source = await openRegularFile(from, constants.O_RDONLY)
  const target = await createAside(to)
  await pipeline(source.createReadStream(), target.createWriteStream({ flush: true }))
}
