/**
 * The steps of scale.ts on the mount, in a separate process: `node scale-client.js STEP DIRECTORY NUMBER…`. Prints one
 * JSON object of figures. Its memory does not grow with the number of files, so it does not affect the measurement.
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  opendirSync,
  readSync,
  readdirSync,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { MIB, seededRandom } from '../src/base/index.js'

const FILES_A_DIRECTORY = 10_000
const PAGE = 4096

type Figures = Readonly<Record<string, number>>

const STEPS: Readonly<Record<string, (directory: string, ...numbers: number[]) => Figures>> = {
  create,
  walk,
  list,
  seed,
  'random-writes': randomWrites,
  'read-ends': readEnds,
}

const [step = '', directory = '', ...rest] = process.argv.slice(2)
process.stdout.write(JSON.stringify(STEPS[step]!(directory, ...rest.map(Number))))

/** Files of some hundred bytes, 10,000 in each directory. The first and the last tenth are timed. */
function create(directory: string, files: number): Figures {
  const tenth = Math.max(1, Math.floor(files / 10))
  const body = Buffer.alloc(300, 'x')
  let [first, last] = [0, 0]
  let began = performance.now()
  for (let i = 0; i < files; i++) {
    if (i === files - tenth) began = performance.now()
    const folder = join(directory, directoryName(i))
    if (i % FILES_A_DIRECTORY === 0) mkdirSync(folder)
    const fd = openSync(join(folder, `file-${i}.txt`), 'wx')
    body.writeUInt32BE(i, 0)
    writeSync(fd, body)
    closeSync(fd)
    if (i === tenth - 1) first = tenth / ((performance.now() - began) / 1000)
  }
  last = tenth / ((performance.now() - began) / 1000)
  return { createsFirst: first, createsLast: last, lastOverFirst: last / first }
}

function walk(directory: string): Figures {
  const began = performance.now()
  let files = 0
  const below = (at: string): void => {
    const entries = opendirSync(at)
    for (let entry = entries.readSync(); entry !== null; entry = entries.readSync()) {
      const path = join(at, entry.name)
      if (entry.isDirectory()) below(path)
      else if (statSync(path).size > 0) files++
    }
    entries.closeSync()
  }
  below(directory)
  return { files, walkSeconds: (performance.now() - began) / 1000 }
}

/** Lists one directory that was not read since the mount. */
function list(directory: string, files: number): Figures {
  const began = performance.now()
  const names = readdirSync(join(directory, directoryName(files - 1)))
  return { names: names.length, listMs: performance.now() - began }
}

function seed(directory: string, bytes: number): Figures {
  const random = seededRandom(5)
  const fd = openSync(join(directory, 'huge'), 'wx')
  for (let done = 0; done < bytes; done += MIB) writeSync(fd, random.bytes(MIB))
  fsyncSync(fd)
  closeSync(fd)
  return {}
}

/** Writes pages in random order into a file of that size, which is a hole before. */
function randomWrites(directory: string, bytes: number): Figures {
  const random = seededRandom(7)
  const fd = openSync(join(directory, 'scattered'), 'w')
  const page = Buffer.from(random.bytes(PAGE))
  const pages = bytes / PAGE
  const began = performance.now()
  for (let i = 0; i < pages; i++) {
    const at = Math.floor((Buffer.from(random.bytes(6)).readUIntBE(0, 6) / 2 ** 48) * pages)
    page.writeUInt32BE(i, 0)
    writeSync(fd, page, 0, PAGE, at * PAGE)
  }
  fsyncSync(fd)
  closeSync(fd)
  return { writesPerSecond: pages / ((performance.now() - began) / 1000) }
}

function readEnds(directory: string, bytes: number): Figures {
  const fd = openSync(join(directory, 'huge'), 'r')
  const buffer = Buffer.alloc(MIB)
  const began = performance.now()
  for (const at of [0, bytes - MIB]) if (readSync(fd, buffer, 0, MIB, at) !== MIB) throw new Error('a short read')
  const readMs = performance.now() - began
  closeSync(fd)
  return { readEndsMs: readMs }
}

function directoryName(file: number): string {
  return `directory-${Math.floor(file / FILES_A_DIRECTORY)}`
}
