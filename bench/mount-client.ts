/**
 * One file system test. It runs as a separate client process, so that every target has the same cost. Prints seconds.
 */
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { seededRandom } from '../src/base/index.js'

const MIB = 1024 * 1024
const FILE_MIB = 512
const SMALL_FILES = 5_000
const FOLDER_FILES = 500
const RANDOM_READS = 20_000
const RANDOM_WRITES = 20_000

type Test = (directory: string, material: string) => void

/** In the order in which they run: later tests use files of earlier ones. */
export const TESTS: Readonly<Record<string, Test>> = {
  'write 1 MiB': (directory) => {
    const handle = openSync(join(directory, 'big'), 'w')
    const block = Buffer.from(seededRandom(7).bytes(MIB))
    for (let i = 0; i < FILE_MIB; i++) {
      for (let at = 0; at < MIB; at += 4096) block.writeUInt32LE((i * 31 + at) >>> 0, at)
      writeSync(handle, block)
    }
    closeSync(handle)
  },
  'read 1 MiB, cold': (directory) => {
    const handle = openSync(join(directory, 'big'), 'r')
    const block = Buffer.alloc(MIB)
    while (readSync(handle, block) > 0) continue
    closeSync(handle)
  },
  'read 4 KiB at random, cold': (directory) => {
    const handle = openSync(join(directory, 'big'), 'r')
    const pages = Math.floor(fstatSync(handle).size / 4096)
    const random = seededRandom(11)
    const block = Buffer.alloc(4096)
    for (let i = 0; i < RANDOM_READS; i++) readSync(handle, block, 0, 4096, random.next(pages) * 4096)
    closeSync(handle)
  },
  'write 4 KiB at random': (directory) => {
    const handle = openSync(join(directory, 'big'), 'r+')
    const pages = Math.floor(fstatSync(handle).size / 4096)
    const random = seededRandom(13)
    const block = Buffer.from(random.bytes(4096))
    for (let i = 0; i < RANDOM_WRITES; i++) writeSync(handle, block, 0, 4096, random.next(pages) * 4096)
    fsyncSync(handle)
    closeSync(handle)
  },
  'create small files': (directory) => {
    mkdirSync(join(directory, 'small'))
    const body = Buffer.from(seededRandom(17).bytes(1024))
    for (let i = 0; i < SMALL_FILES; i++) {
      if (i % FOLDER_FILES === 0) mkdirSync(smallFolder(directory, i))
      body.writeUInt32LE(i, 0)
      writeFileSync(join(smallFolder(directory, i), `f${i}`), body)
    }
  },
  'stat, cold': (directory) => {
    for (let i = 0; i < SMALL_FILES; i++) statSync(join(smallFolder(directory, i), `f${i}`))
  },
  'list and stat, cold': (directory) => {
    execFileSync('ls', ['-lR', join(directory, 'small')], { stdio: ['ignore', 'ignore', 'inherit'] })
  },
  'read small files, cold': (directory) => {
    for (const folder of readdirSync(join(directory, 'small'))) {
      for (const name of readdirSync(join(directory, 'small', folder)))
        readFileSync(join(directory, 'small', folder, name))
    }
  },
  untar: (directory, material) => {
    mkdirSync(join(directory, 'tree'))
    execFileSync('tar', ['xf', join(material, 'source.tar'), '-C', join(directory, 'tree')])
  },
  'git clone': (directory, material) => {
    execFileSync('git', ['clone', '-q', '--no-local', join(material, 'repository'), join(directory, 'clone')])
  },
  'rm -r': (directory) => {
    execFileSync('rm', ['-r', join(directory, 'tree'), join(directory, 'clone'), join(directory, 'small')])
  },
}

function smallFolder(directory: string, index: number): string {
  return join(directory, 'small', `d${Math.floor(index / FOLDER_FILES)}`)
}

if (process.argv[1]?.endsWith('mount-client.js') === true) {
  const [, , name = '', directory = '', material = ''] = process.argv
  const begin = process.hrtime.bigint()
  TESTS[name]!(directory, material)
  process.stdout.write(String(Number(process.hrtime.bigint() - begin) / 1e9))
}
