import type { ExecutionContext } from 'ava'
import { testWhere } from '../../../test/support/available.js'
import { spawnSync } from 'node:child_process'
import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { seededRandom } from '../../base/index.js'
import { RANDOM_NAMES } from './segment-names.js'
import { isFinished, openSegmentWriter } from './segment-writer.js'
import { nativeFileCalls, pagesOf, scratchDirectory } from '../../../test/support/storage/storage.js'

const seed = (process.pid * 2654435761) >>> 0 || 1
const random = seededRandom(seed)
const PAGE = 4096
const ifBuilt = testWhere('nativeCore')

/** A page-aligned buffer, or one that starts one byte after a page boundary. */
function bytesFor(length: number, onPage: boolean): Buffer {
  const memory = pagesOf(length + PAGE)!
  const bytes = memory.subarray(onPage ? 0 : 1).subarray(0, length)
  bytes.set(random.bytes(length))
  return bytes
}

/** Whether the file system supports direct writes. */
function takesDirect(directory: string): boolean {
  try {
    const fd = openSync(join(directory, 'probe'), constants.O_WRONLY | constants.O_CREAT | constants.O_DIRECT)
    const written = writeSync(fd, bytesFor(PAGE, true))
    closeSync(fd)
    return written === PAGE
  } catch {
    return false
  }
}

const roundTrip = (t: ExecutionContext, directory: string): void => {
  t.log(`seed ${seed}`)
  const writer = openSegmentWriter(directory, { direct: true, segmentBytes: 40 * PAGE })
  const written = new Map<number, { at: number; bytes: Buffer }[]>()
  for (let i = 0; i < 60; i++) {
    const length = random.next(4) === 0 ? 1 + random.next(5 * PAGE) : PAGE * (1 + random.next(8))
    const bytes = bytesFor(length, random.next(4) !== 0)
    const { segment, offset } = writer.append(bytes, [length])[0]!
    written.set(segment, [...(written.get(segment) ?? []), { at: offset, bytes }])
  }
  writer.close()
  t.true(written.size > 3)
  for (const [segment, parts] of written) {
    const path = RANDOM_NAMES.pathOf(directory, segment)
    const content = readFileSync(path)
    let end = 0
    for (const { at, bytes } of parts) {
      t.is(at, end)
      t.is(Buffer.compare(content.subarray(at, at + bytes.length), bytes), 0)
      end = at + bytes.length
    }
    const fd = openSync(path, 'r')
    t.true(isFinished(fd, end))
    closeSync(fd)
  }
}

ifBuilt('direct appends of any length and from any memory hold the given bytes, with an end mark', (t) => {
  const scratch = scratchDirectory()
  t.teardown(() => scratch.remove())
  roundTrip(t, scratch.path)
})

testWhere('nativeCore', 'root')('the same on a tmpfs', (t) => {
  const scratch = scratchDirectory()
  t.teardown(() => scratch.remove())
  if (spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', scratch.path]).status !== 0) {
    throw new Error('no tmpfs can be mounted')
  }
  try {
    roundTrip(t, scratch.path)
  } finally {
    spawnSync('umount', ['-l', scratch.path])
  }
})

ifBuilt('whole pages from page-aligned memory do not enter the page cache', (t) => {
  const scratch = scratchDirectory()
  t.teardown(() => scratch.remove())
  const cachedAfter = (direct: boolean): number => {
    const writer = openSegmentWriter(scratch.path, { direct })
    const { segment } = writer.append(bytesFor(64 * PAGE, true), [64 * PAGE])[0]!
    const fd = openSync(RANDOM_NAMES.pathOf(scratch.path, segment), 'r')
    const count = nativeFileCalls!.readWithoutWaiting(fd, Buffer.alloc(64 * PAGE), 0) ?? 0
    closeSync(fd)
    writer.close()
    return count
  }
  // Asking starts reading ahead, which a fast disk may end before the answer.
  const cached = [cachedAfter(false), Math.min(...Array.from({ length: 5 }, () => cachedAfter(true)))]
  if (!takesDirect(scratch.path)) t.log('this file system has no direct writes')
  t.deepEqual(cached, [64 * PAGE, takesDirect(scratch.path) ? 0 : 64 * PAGE])
})
