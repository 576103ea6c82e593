import test from 'ava'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { mkdtemp, open, rm, stat, type FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KIB, MIB, seededRandom } from '../../base/index.js'
import { allocatePages } from '../../platform/index.js'
import type { BlockLocation } from './contract.js'

/** Runs before each sync of a segment. */
let onSync: (() => Promise<void>) | undefined
const fdatasync = fs.fdatasync.bind(fs)
fs.fdatasync = ((fd: number, done: (error: NodeJS.ErrnoException | null) => void) => {
  if (onSync === undefined) fdatasync(fd, done)
  else onSync().then(() => fdatasync(fd, done), done)
}) as typeof fs.fdatasync
syncBuiltinESMExports()
// Imported late: a module that has already stored the call in a variable would not see this replacement.
const { GrowingSegments } = await import('./growing-segments.js')

const seed = (process.pid * 2246822519) >>> 0 || 1

async function folder(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'dagdrive-segments-'))
  return { path, remove: () => rm(path, { recursive: true, force: true }) }
}

for (const [name, allocate] of [
  ['past the page cache', allocatePages],
  ['through the page cache', undefined],
] as const) {
  test(`blocks of any length appended ${name} are read back, also after other blocks were discarded`, async (t) => {
    t.timeout(10 * 60_000)
    t.log(`seed ${seed}`)
    const random = seededRandom(seed)
    const { path, remove } = await folder()
    let segments = await GrowingSegments.open(path, { allocatePages: allocate })
    const kept: { location: BlockLocation; bytes: Uint8Array }[] = []
    try {
      for (let round = 0; round < 40; round++) {
        const blocks = Array.from({ length: 1 + random.next(12) }, () => {
          const length = [
            4 * KIB * (1 + random.next(64)),
            1 + random.next(300 * KIB),
            1 * MIB,
            4 * MIB + random.next(3) * KIB,
          ]
          return Buffer.from(random.bytes(length[random.next(round % 10 === 0 ? 4 : 2)]!))
        })
        const locations = await segments.append(blocks)
        if (random.next(5) === 0) await segments.discard(locations)
        else locations.forEach((location, i) => kept.push({ location, bytes: blocks[i]! }))
        if (random.next(4) === 0) await segments.sync([])
        if (random.next(10) === 0) {
          await segments.close()
          segments = await GrowingSegments.open(path, { allocatePages: allocate })
        }
      }
      for (const { location, bytes } of kept) {
        t.is(Buffer.compare(await segments.read(location), bytes), 0)
      }
      for (const [segment, size] of segments.sizes) {
        if (size > 0) t.is((await stat(join(path, `${String(segment).padStart(8, '0')}.seg`))).size, size)
      }
    } finally {
      await segments.close()
      await remove()
    }
  })
}

test('appends and syncs of several imports at once do not disturb each other', async (t) => {
  const { path, remove } = await folder()
  const segments = await GrowingSegments.open(path, { allocatePages })
  try {
    const all = await Promise.all(
      Array.from({ length: 24 }, async (_, i) => {
        const block = Buffer.alloc(700 * KIB + i, i)
        const [location] = await segments.append([block])
        await segments.sync([])
        return { block, location: location! }
      }),
    )
    for (const { block, location } of all) t.is(Buffer.compare(await segments.read(location), block), 0)
  } finally {
    await segments.close()
    await remove()
  }
})

test.serial('bytes appended while another import syncs are synced by the next sync', async (t) => {
  const { path, remove } = await folder()
  const segments = await GrowingSegments.open(path, { allocatePages })
  let synced = 0
  let isAsked!: () => void
  let letGo!: () => void
  const asked = new Promise<void>((resolve) => (isAsked = resolve))
  const goOn = new Promise<void>((resolve) => (letGo = resolve))
  onSync = async () => {
    isAsked()
    await goOn
    synced++
  }
  try {
    await segments.append([Buffer.alloc(300 * KIB, 1)])
    const first = segments.sync([])
    await asked
    await segments.append([Buffer.alloc(300 * KIB, 2)])
    const second = segments.sync([])
    letGo()
    await first
    t.is(synced, 1)
    await second
    t.is(synced, 2)
    await segments.sync([])
    t.is(synced, 2, 'nothing is left')
  } finally {
    onSync = undefined
    await segments.close()
    await remove()
  }
})

test.serial('S-043 bytes being written while another import syncs are synced by the next sync', async (t) => {
  const { path, remove } = await folder()
  const segments = await GrowingSegments.open(path)
  const any = await open(join(path, 'any'), 'w')
  const handles = Object.getPrototypeOf(any) as FileHandle
  const writev = handles.writev // eslint-disable-line @typescript-eslint/unbound-method
  let letGo!: () => void
  const goOn = new Promise<void>((resolve) => (letGo = resolve))
  let synced = 0
  onSync = async () => void synced++
  try {
    await segments.append([Buffer.alloc(1000, 1)])
    handles.writev = async function (this: FileHandle, ...given: Parameters<typeof writev>) {
      await goOn
      return writev.apply(this, given)
    } as typeof writev
    const slow = segments.append([Buffer.alloc(1000, 2)])
    await segments.sync([])
    t.is(synced, 1)
    letGo()
    await segments.sync(await slow)
    t.is(synced, 2)
  } finally {
    handles.writev = writev
    onSync = undefined
    await any.close()
    await segments.close()
    await remove()
  }
})

for (const code of ['EIO', 'ENOSPC', 'EMFILE']) {
  test.serial(
    `S-043 bytes appended before a sync failed with ${code} never count as durable; bytes written again do`,
    async (t) => {
      const { path, remove } = await folder()
      const segments = await GrowingSegments.open(path)
      try {
        const synced = await segments.append([Buffer.alloc(1000, 1)])
        await segments.sync(synced)
        const one = await segments.append([Buffer.alloc(1000, 2)])
        const two = await segments.append([Buffer.alloc(1000, 3)])
        const isOpening = code === 'EMFILE'
        onSync = async () => {
          throw Object.assign(new Error(code), { code, syscall: isOpening ? 'open' : 'fdatasync' })
        }
        await t.throwsAsync(segments.sync(one), { message: code })
        onSync = undefined
        if (isOpening) await t.notThrowsAsync(segments.sync(two))
        else await t.throwsAsync(segments.sync(two), { message: /lost/ })
        const again = await segments.append([Buffer.alloc(1000, 3)])
        if (!isOpening) t.not(again[0]!.segment, two[0]!.segment)
        await segments.sync(again)
        t.is((await segments.read(synced[0]!))[0], 1)
        t.is((await segments.read(again[0]!))[0], 3)
      } finally {
        onSync = undefined
        await segments.close()
        await remove()
      }
    },
  )
}
