import fs, { readdirSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { createHash } from 'node:crypto'
import test from 'ava'
import { isDriveError, seededRandom, silentLog, type Digest } from '../../base/index.js'

/** The result of the next syncs of segment files. */
let failure: { code: string; syscall: string } | undefined
const fdatasync = fs.fdatasync.bind(fs)
fs.fdatasync = ((fd: number, done: (error: NodeJS.ErrnoException | null) => void) => {
  if (failure === undefined) return fdatasync(fd, done)
  setImmediate(() => done(Object.assign(new Error(failure!.code), failure)))
}) as typeof fs.fdatasync
syncBuiltinESMExports()
// Imported late: modules that have already stored the call in a variable would not see this replacement.
const { openBlockStore } = await import('./block-store.js')
const { openSegmentWriter } = await import('../segments/index.js')
const { scratchDirectory } = await import('../../../test/support/storage/storage.js')

const seed = (process.pid * 2654435761) >>> 0 || 1
const random = seededRandom(seed)

function blocks(count: number): { digest: Digest; bytes: Buffer }[] {
  return Array.from({ length: count }, () => {
    const bytes = Buffer.from(random.bytes(1 + random.next(9000)))
    return { bytes, digest: createHash('sha256').update(bytes).digest() }
  })
}

for (const code of ['EIO', 'ENOSPC', 'EMFILE']) {
  test.serial(
    `S-043 after a sync of a segment that failed with ${code} commits continue, and nothing is lost`,
    async (t) => {
      t.log(`seed ${seed}`)
      const scratch = scratchDirectory()
      const options = { directory: scratch.path, log: silentLog }
      let store = await openBlockStore(options)
      const writer = openSegmentWriter(store.segmentDirectory)
      const write = (some: ReturnType<typeof blocks>): void => {
        const locations = writer.append(
          Buffer.concat(some.map(({ bytes }) => bytes)),
          some.map(({ bytes }) => bytes.length),
        )
        store.index(some.map(({ digest }, i) => ({ digest, location: locations[i]! })))
      }
      const durable = blocks(20)
      write(durable)
      await store.commit()
      const doubtful = blocks(30)
      write(doubtful)
      failure = { code, syscall: code === 'EMFILE' ? 'open' : 'fdatasync' }
      for (let tries = 0; tries < 3; tries++) {
        const error = await t.throwsAsync(store.commit())
        t.true(isDriveError(error, code === 'ENOSPC' ? 'NO_SPACE' : 'INTERNAL'), String(error))
      }
      failure = undefined
      const late = blocks(10)
      write(late)
      await store.commit()
      t.is(store.usage.blocks, 60)
      const used = store.usage.usedBytes
      writer.close()
      await store.close()

      store = await openBlockStore(options)
      for (const { digest, bytes } of [...durable, ...doubtful, ...late])
        t.is(Buffer.compare((await store.read(digest))!, bytes), 0)
      t.true(used > 0 && readdirSync(store.segmentDirectory).length >= 1)
      await store.evictTo(0)
      t.is(store.usage.blocks, 60, 'only copies stay only copies')
      await store.close()
      scratch.remove()
    },
  )
}

test.serial(
  'S-043 blocks that a writer indexes in a failed segment during its rewrite are rewritten as well',
  async (t) => {
    const scratch = scratchDirectory()
    const store = await openBlockStore({ directory: scratch.path, log: silentLog })
    const writer = openSegmentWriter(store.segmentDirectory)
    const all = blocks(40)
    const segments = new Set<number>()
    const write = (some: ReturnType<typeof blocks>): void => {
      const locations = writer.append(
        Buffer.concat(some.map(({ bytes }) => bytes)),
        some.map(({ bytes }) => bytes.length),
      )
      for (const { segment } of locations) segments.add(segment)
      store.index(some.map(({ digest }, i) => ({ digest, location: locations[i]! })))
    }
    write(all.slice(0, 10))
    failure = { code: 'EIO', syscall: 'fdatasync' }
    await t.throwsAsync(store.commit())
    failure = undefined
    write(all.slice(10, 20))
    const committing = store.commit()
    for (let at = 20; at < 40; at += 5) {
      write(all.slice(at, at + 5))
      await new Promise((resolve) => setImmediate(resolve))
    }
    await committing
    await store.commit()
    for (const { digest, bytes } of all) {
      t.false(segments.has(store.locate(digest)!.segment))
      t.is(Buffer.compare((await store.read(digest))!, bytes), 0)
    }
    writer.close()
    await store.close()
    scratch.remove()
  },
)

test.serial('all only copies are released in one walk over the index', async (t) => {
  const scratch = scratchDirectory()
  const store = await openBlockStore({ directory: scratch.path, log: silentLog })
  const some = blocks(50)
  store.ingest(some, { onlyCopy: true })
  await store.commit()
  await store.releaseAll()
  t.is(store.usage.evictableBytes, store.usage.usedBytes)
  await store.close()
  scratch.remove()
})
