import test from 'ava'
import { isDriveError, seededRandom } from '../../base/index.js'
import { deriveDriveKeys } from '../../crypto/index.js'
import { decodeCommit, encodeCommit, openCommit, sealCommit, type CommitKeys } from './commit.js'
import { encodeEntry } from './entry-record.js'
import type { Commit } from '../contract.js'
import { damaged, randomEntry, type SeededRandom } from '../../../test/support/dag/blocks.js'

function randomCommit(random: SeededRandom): Commit {
  const ref = (): Commit['links'] => {
    return random.next(2) === 0 ? undefined : { digest: random.bytes(32), key: random.bytes(32) }
  }
  return {
    version: 1,
    driveId: random.bytes(16),
    height: 1 + random.next(1000),
    parents: Array.from({ length: random.next(4) }, () => random.bytes(32)),
    deviceSlot: random.next(256),
    deviceName: 'läptop',
    timeMs: random.next(2 ** 31) * 1000,
    root: randomEntry(random, { kind: 'tree', ref: { digest: random.bytes(32), key: random.bytes(32) } }, 0o040000),
    links: ref(),
    duplicates: ref(),
    forest: random.bytes(32),
    liveBlocks: random.next(1_000_000),
  }
}

const keys: CommitKeys = deriveDriveKeys(new Uint8Array(32).fill(9))

test('a commit opens to the sealed fields', (t) => {
  const seed = 61
  const random = seededRandom(seed)
  for (let round = 0; round < 50; round++) {
    const commit = randomCommit(random)
    const block = sealCommit(commit, keys, random)
    t.deepEqual(openCommit(block.bytes, keys), commit, `seed ${seed}`)
    t.deepEqual(encodeCommit(decodeCommit(encodeCommit(commit))), encodeCommit(commit))
  }
})

test('S-146 attributes of the root beyond the limit are left out, and the next version can be written', (t) => {
  const random = seededRandom(65)
  const plain = randomCommit(random)
  const kept = { name: 'user.a', value: new Uint8Array(65_536) }
  const withValue = (bytes: number): Commit => {
    const zero = { atimeSec: 0, mtimeSec: 0, ctimeSec: 0, atimeNsec: 0, mtimeNsec: 0, ctimeNsec: 0 }
    const { content } = plain.root
    const xattrs = [kept, { name: 'user.b', value: new Uint8Array(bytes) }]
    return { ...plain, root: { ...plain.root, ...zero, uid: 0, gid: 0, content, xattrs } }
  }
  // The longest root that was ever written.
  const longest = 65_000 + 128 * 1024 - encodeEntry(withValue(65_000).root).length
  const read = openCommit(sealCommit(withValue(longest), keys, random).bytes, keys)
  t.deepEqual([read.root.xattrs, read.isRootCut], [[kept], true])
  const later = { ...read, root: { ...read.root, mtimeSec: 2 ** 40, ctimeSec: 2 ** 40, ctimeNsec: 999_999_999 } }
  t.is(openCommit(sealCommit(later, keys, random).bytes, keys).isRootCut, undefined)
})

test('a commit signed by another device than it names is CORRUPT', (t) => {
  const random = seededRandom(62)
  const commit = randomCommit(random)
  const other: CommitKeys = { ...keys, deviceSeed: (slot) => keys.deviceSeed((slot + 1) % 256) }
  const block = sealCommit(commit, other, random)
  t.true(
    isDriveError(
      t.throws(() => openCommit(block.bytes, keys)),
      'CORRUPT',
    ),
  )
})

test('a damaged commit is CORRUPT', (t) => {
  const random = seededRandom(63)
  const commit = randomCommit(random)
  const block = sealCommit(commit, keys, random)
  for (let round = 0; round < 200; round++) {
    const bytes = damaged(block.bytes, random)
    if (Buffer.compare(bytes, block.bytes) === 0) continue
    t.true(
      isDriveError(
        t.throws(() => openCommit(bytes, keys)),
        'CORRUPT',
      ),
    )
  }
  t.true(
    isDriveError(
      t.throws(() => openCommit(block.bytes, { ...keys, superKey: random.bytes(32) })),
      'CORRUPT',
    ),
  )
})

test('damaged commit plaintext is CORRUPT or another commit, never another failure', (t) => {
  const seed = 64
  const random = seededRandom(seed)
  for (let round = 0; round < 1000; round++) {
    const bytes = damaged(encodeCommit(randomCommit(random)), random)
    try {
      encodeCommit(decodeCommit(bytes))
    } catch (error) {
      t.true(isDriveError(error, 'CORRUPT'), `seed ${seed} round ${round}: ${String(error)}`)
    }
  }
})

test('fields out of range are INVALID', (t) => {
  const random = seededRandom(65)
  const commit = randomCommit(random)
  const bad: Partial<Commit>[] = [
    { height: 0 },
    { deviceSlot: 256 },
    { parents: [random.bytes(31)] },
    { driveId: new Uint8Array(0) },
    { root: randomEntry(random, { kind: 'none' }) },
    { liveBlocks: -1 },
  ]
  for (const change of bad)
    t.true(
      isDriveError(
        t.throws(() => encodeCommit({ ...commit, ...change })),
        'INVALID',
      ),
    )
})
