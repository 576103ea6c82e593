import test from 'ava'
import { seededRandom } from '../../base/index.js'
import { HEADER, OP, REQUEST_HEADER_BYTES, WRITE_IN } from '../protocol/protocol.js'
import type { CommitProgress } from './commit-progress.js'
import { RedoLog } from './redo-log.js'
import { LOG_BYTES, SHARED_BYTES, SharedState } from './shared-state.js'

const LARGE = 1 << 20

function write(ino: number, offset: number, size: number, fill: number): Buffer {
  const request = Buffer.alloc(REQUEST_HEADER_BYTES + WRITE_IN.bytes + size, fill)
  request.writeUInt32LE(request.length, HEADER.length)
  request.writeUInt32LE(OP.WRITE, HEADER.opcode)
  request.writeBigUInt64LE(BigInt(ino), HEADER.nodeId)
  request.writeBigUInt64LE(BigInt(offset), REQUEST_HEADER_BYTES + WRITE_IN.offset)
  request.writeUInt32LE(size, REQUEST_HEADER_BYTES + WRITE_IN.size)
  return request
}

const given = (sequence: number): { sequence: number; ino: number; handle: number; sec: number; nsec: number } => ({
  sequence,
  ino: 7,
  handle: 3,
  sec: 12,
  nsec: 34,
})

function begun(): SharedState {
  const state = new SharedState(new ArrayBuffer(SHARED_BYTES))
  state.begin('a mount')
  return state
}

const progress = (sequence: number, durable: number, held: ReadonlySet<number> = new Set()): CommitProgress => ({
  sequence,
  durable,
  isPending: true,
  isHeld: (ino) => held.has(ino),
})

test('S-050 entries are read back in order with their results, also by a process that maps the memory later', (t) => {
  const state = begun()
  const log = new RedoLog(state)
  for (let i = 1; i <= 3; i++) log.append(write(i, i * 10, i, i), given(i))
  const found = [...new RedoLog(new SharedState(state.memory)).entries()]
  t.deepEqual(
    found.map(({ sequence, ino, handle, sec, nsec }) => ({ sequence, ino, handle, sec, nsec })),
    [1, 2, 3].map(given),
  )
  t.deepEqual(
    found.map(({ request }) => Buffer.from(request)),
    [1, 2, 3].map((i) => write(i, i * 10, i, i)),
  )
})

test('S-050 an entry is trimmed only when its bytes are staged and a later commit is durable', (t) => {
  const log = new RedoLog(begun())
  log.append(write(1, 0, 100, 1), given(1))
  log.trim(progress(2, 1, new Set([1])))
  t.is([...log.entries()].length, 1, 'no commit contains bytes that are only in memory')
  log.trim(progress(2, 1))
  t.is([...log.entries()].length, 1, 'staged now, so not in commit 1')
  log.trim(progress(3, 1))
  t.is([...log.entries()].length, 1)
  log.trim(progress(3, 2))
  t.is([...log.entries()].length, 0)
})

test('S-050 the log of an idle drive becomes empty, although no later commit comes', (t) => {
  const log = new RedoLog(begun())
  log.append(write(1, 0, 100, 1), given(1))
  log.trim({ ...progress(3, 1), isPending: false })
  t.is([...log.entries()].length, 1, 'commit 2 is pending')
  const other = new RedoLog(begun())
  other.append(write(1, 0, 100, 1), given(1))
  other.trim({ ...progress(2, 1), isPending: false })
  t.is([...other.entries()].length, 0)
})

test('S-050 an entry stays as long as an older one does: the log is a suffix of the operations', (t) => {
  const log = new RedoLog(begun())
  for (const ino of [1, 2, 3]) log.append(write(ino, 0, 8, ino), given(1))
  const held = new Set([2])
  log.trim(progress(2, 1, held))
  log.trim(progress(3, 2, held))
  t.is([...log.entries()].length, 2)
})

test('S-050 random entries of all lengths wrap around the ring unchanged', (t) => {
  const seed = 20261121
  const chance = seededRandom(seed)
  const state = begun()
  const log = new RedoLog(state)
  const expected: { ino: number; size: number }[] = []
  let sequence = 1
  let appended = 0
  let refused = 0
  while (appended < 6 * LOG_BYTES) {
    const size = chance.next(3) === 0 ? 1 + chance.next(LARGE) : 1 + chance.next(5000)
    const request = write(1 + chance.next(50), 0, size, chance.next(256))
    if (!log.hasRoom(request.length)) {
      refused++
      sequence++
      log.trim(progress(sequence, sequence - 1))
      log.trim(progress(sequence + 1, sequence))
      expected.length = 0
      t.is([...log.entries()].length, 0)
      continue
    }
    log.append(request, given(sequence))
    expected.push({ ino: Number(request.readBigUInt64LE(HEADER.nodeId)), size })
    appended += request.length
    if (chance.next(40) > 0) continue
    const found = [...log.entries()].map(({ request: kept }) => ({
      ino: Number(kept.readBigUInt64LE(HEADER.nodeId)),
      size: kept.readUInt32LE(REQUEST_HEADER_BYTES + WRITE_IN.size),
    }))
    if (
      found.length !== expected.length ||
      found.some(({ ino, size: kept }, i) => ino !== expected[i]!.ino || kept !== expected[i]!.size)
    )
      return t.fail(`seed ${seed}`)
  }
  t.true(refused > 3)
})

test('S-108 under a steady load the log stays in the first part of its memory, and entries are never mixed up', (t) => {
  const seed = 20261122
  const chance = seededRandom(seed)
  const state = begun()
  const log = new RedoLog(state)
  const expected: number[] = []
  let highest = 0
  for (let sequence = 1, appended = 0; appended < 4 * LOG_BYTES; sequence++) {
    // At most two commits are in progress, with up to 3 MiB each.
    for (let bytes = 0; bytes < 3 * 1024 * 1024;) {
      const request = write(1 + chance.next(1000), 0, 1 + chance.next(5000), 7)
      t.true(log.hasRoom(request.length))
      log.append(request, given(sequence))
      expected.push(Number(request.readBigUInt64LE(HEADER.nodeId)))
      bytes += request.length
      appended += request.length
      highest = Math.max(highest, state.head % LOG_BYTES)
    }
    const before = [...log.entries()].length
    log.trim(progress(sequence, sequence - 2))
    log.goBack(0)
    expected.splice(0, before - [...log.entries()].length)
    t.deepEqual(
      [...log.entries()].map(({ request }) => Number(request.readBigUInt64LE(HEADER.nodeId))),
      expected,
    )
    const again = new RedoLog(state)
    t.is([...again.entries()].length, expected.length, 'as the next daemon sees it')
  }
  t.log(`highest ${highest}`)
  t.true(highest < 30 * 1024 * 1024, `${highest}`)
  log.trim(progress(10_000, 9_999))
  log.trim(progress(10_001, 10_000))
  t.is(log.usedBytes, 0, 'an empty log has no gap')
})

test('S-050 memory that is new, has another layout or belongs to an unfinished handshake is not taken over', (t) => {
  t.is(new SharedState(new ArrayBuffer(SHARED_BYTES)).about, undefined)
  const state = begun()
  t.is(state.about, undefined)
  state.negotiated = { minor: 45, flags: 1, flags2: 2 }
  t.is(state.about, 'a mount')
  new Float64Array(state.memory, 0, 1)[0] = 99
  t.is(state.about, undefined)
})
