import test from 'ava'
import { testWhere } from '../../../test/support/available.js'
import { spawnSync } from 'node:child_process'
import { existsSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DriveError, isDriveError, silentLog } from '../../base/index.js'
import { openBlockStore } from './block-store.js'
import { openEnvironment } from '../kv/environment.js'
import { be64 } from '../kv/key-integers.js'
import { createSpaceGuard } from '../../platform/index.js'
import { openSegmentWriter } from '../segments/segment-writer.js'
import { crashBlock, pagesOf, scratchDirectory, testSealer } from '../../../test/support/storage/storage.js'

const MIB = 1024 * 1024

/** Runs `use` on a tmpfs of `sizeBytes`; logs and passes when this user may not mount. */
async function onSmallDisk(sizeBytes: number, use: (path: string) => Promise<void>): Promise<void> {
  const scratch = scratchDirectory()
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${String(sizeBytes)}`, 'tmpfs', scratch.path])
  if (mounted.status !== 0) {
    scratch.remove()
    throw new Error('no tmpfs can be mounted')
  }
  try {
    await use(scratch.path)
  } finally {
    spawnSync('umount', ['-l', scratch.path])
    scratch.remove()
  }
}

testWhere('root')(
  'a full disk rejects the commit with NO_SPACE, the process lives, and after freeing space a commit writes it all',
  async (t) => {
    await onSmallDisk(8 * MIB, async (disk) => {
      writeFileSync(join(disk, 'ballast'), Buffer.alloc(5 * MIB))
      const environment = openEnvironment({ path: join(disk, 'env'), sealer: testSealer(), log: silentLog })
      const table = environment.table('rows', { sealed: true })
      for (let i = 0; i < 50; i++) table.put(be64(i), Buffer.alloc(4096, 1))
      await environment.commit()
      for (let round = 0; round < 3; round++) {
        for (let i = 50; i < 1000; i++) table.put(be64(i), Buffer.alloc(4096, 2))
        const error = await t.throwsAsync(environment.commit())
        t.true(isDriveError(error, 'NO_SPACE'))
      }
      t.is(table.get(be64(10))![0], 1)
      t.is(table.get(be64(999))![0], 2)
      t.is(environment.pendingCount, 950)
      unlinkSync(join(disk, 'ballast'))
      for (let i = 200; i < 1000; i++) table.delete(be64(i))
      await environment.commit()
      t.is(environment.pendingCount, 0)
      await environment.close()
      const again = openEnvironment({ path: join(disk, 'env'), sealer: testSealer(), log: silentLog })
      const rows = [...again.table('rows', { sealed: true }).range()]
      t.is(rows.length, 200)
      t.true(rows.every(([, value], i) => value[0] === (i < 50 ? 1 : 2)))
      await again.close()
    })
  },
)

testWhere('root')(
  'a block store on a full disk refuses with NO_SPACE, keeps its blocks, and continues after space is freed',
  async (t) => {
    await onSmallDisk(8 * MIB, async (disk) => {
      const directory = join(disk, 'blocks')
      const store = await openBlockStore({ directory, log: silentLog })
      const kept = crashBlock(1, 1)
      store.ingest([kept], { onlyCopy: true })
      await store.commit()
      const writer = openSegmentWriter(store.segmentDirectory, { direct: true })
      const bytes = (pagesOf(MIB) ?? Buffer.alloc(MIB)).fill(3)
      const locations = [writer.append(bytes, [MIB])[0]!]
      const error = t.throws(() => {
        for (;;) locations.push(writer.append(bytes, [MIB])[0]!)
      })
      t.true(isDriveError(error, 'NO_SPACE'))
      t.is(statSync(join(store.segmentDirectory, segmentName(locations[0]!.segment))).size, locations.length * MIB)
      writeFileSync(join(disk, 'fill'), '')
      t.throws(() => writeFileSync(join(disk, 'fill'), Buffer.alloc(8 * MIB)))
      store.index([{ digest: crashBlock(2, 2).digest, location: locations[0]! }])
      t.true(isDriveError(await t.throwsAsync(store.commit()), 'NO_SPACE'))
      t.deepEqual(await store.read(kept.digest), kept.bytes)
      unlinkSync(join(disk, 'fill'))
      const next = crashBlock(3, 3)
      store.ingest([next], { onlyCopy: true })
      await store.commit()
      writer.close()
      await store.close()
      const again = await openBlockStore({ directory, log: silentLog })
      t.deepEqual(await again.read(kept.digest), kept.bytes)
      t.deepEqual(await again.read(next.digest), next.bytes)
      t.deepEqual(await again.read(crashBlock(2, 2).digest), bytes)
      await again.close()
    })
  },
)

const segmentName = (segment: number): string => `${segment.toString(16).padStart(12, '0')}.segment`

testWhere('root')(
  'the space guard refuses before the disk is full, and allows again when space is freed',
  async (t) => {
    await onSmallDisk(8 * MIB, async (disk) => {
      let nowMs = 0
      const clock = {
        nowMs: () => nowMs,
        now: () => ({ sec: 0, nsec: 0 }),
        monotonicMs: () => nowMs,
        after: () => () => undefined,
      }
      const guard = createSpaceGuard({ path: disk, reserveBytes: 4 * MIB, clock })
      guard.check(MIB)
      t.true(
        isDriveError(
          t.throws(() => guard.check(5 * MIB)),
          'NO_SPACE',
        ),
      )
      writeFileSync(join(disk, 'ballast'), Buffer.alloc(4 * MIB))
      nowMs += 2000
      t.true(
        isDriveError(
          t.throws(() => guard.check(MIB)),
          'NO_SPACE',
        ),
      )
      unlinkSync(join(disk, 'ballast'))
      guard.check(MIB)
      t.false(existsSync(join(disk, 'ballast')))
    })
  },
)

test('only copies may use the space that is reserved for them', async (t) => {
  const guard = {
    check() {
      throw new DriveError('NO_SPACE', 'The disk is almost full.')
    },
  }
  const scratch = scratchDirectory()
  const store = await openBlockStore({ directory: scratch.path, log: silentLog, guard })
  const block = (byte: number): { digest: Uint8Array; bytes: Uint8Array } => ({
    digest: Buffer.alloc(32, byte),
    bytes: Buffer.alloc(8192, byte),
  })
  t.true(
    isDriveError(
      t.throws(() => store.ingest([block(1)], { onlyCopy: false })),
      'NO_SPACE',
    ),
  )
  store.ingest([block(2)], { onlyCopy: true })
  t.deepEqual([store.has(block(1).digest), store.has(block(2).digest)], [false, true])
  await store.close()
  scratch.remove()
})
