import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { testWhere } from '../../test/support/available.js'
import { until } from '../../test/support/until.js'
import { isDriveError, MIB, seededRandom, type Digest } from '../base/index.js'
import { nativeSeal } from '../platform/index.js'
import {
  createCore,
  openPipeline,
  type PipelineOptions,
  type Pipeline,
  type SealedChunk,
  type SealItem,
} from './index.js'

const seed = Number(process.env['SEED'] ?? process.hrtime()[1] | 1)
const random = seededRandom(seed)
const keys = { dedupKey: random.bytes(32), gearKey: random.bytes(32) }
const reference = createCore('javascript')
const KINDS: readonly (PipelineOptions['core'] | undefined)[] =
  nativeSeal() === undefined ? ['javascript'] : [undefined, 'javascript']

interface Bench {
  readonly directory: string
  readonly pipeline: Pipeline
  /** The sealed block of a chunk, from its segment. */
  block(chunk: SealedChunk): Buffer
}

async function withPipeline(options: Partial<PipelineOptions>, use: (bench: Bench) => Promise<void>): Promise<void> {
  const directory = options.segmentDirectory ?? mkdtempSync(join(tmpdir(), 'dagdrive-pipe-'))
  const pipeline = openPipeline({ segmentDirectory: directory, keys, workers: 2, ...options })
  try {
    await use({ directory, pipeline, block: (chunk) => blockOf(directory, chunk) })
  } finally {
    await pipeline.close()
    if (options.segmentDirectory === undefined) rmSync(directory, { recursive: true })
  }
}

function blockOf(directory: string, chunk: SealedChunk): Buffer {
  const { segment, offset, length } = chunk.location!
  const file = readdirSync(directory).find((name) => Number.parseInt(name, 16) === segment)!
  return readFileSync(join(directory, file)).subarray(offset, offset + length)
}

/** Random plaintext in shared memory, as the drive thread has it. */
function shared(length: number): Uint8Array {
  const data = new Uint8Array(new SharedArrayBuffer(length))
  const piece = random.bytes(65_521)
  for (let at = 0; at < length; at += piece.length) {
    data.set(piece.subarray(0, length - at), at)
    for (let i = 0; i < 64; i++) piece[random.next(piece.length)] = random.next(256)
  }
  return data
}

/** Every chunk of an item opens to its bytes, its digest is right, and its cuts are those of the reference core. */
function check(
  t: ExecutionContext,
  bench: Bench,
  data: Uint8Array,
  item: SealItem,
  { chunks, consumed }: { readonly chunks: readonly SealedChunk[]; readonly consumed: number },
): void {
  const plain = Uint8Array.from(data.subarray(item.offset, item.offset + item.length))
  const ends = reference.cut(plain, item.mode, item.final, keys)
  t.is(chunks.length, ends.length)
  t.is(consumed, ends.at(-1) ?? 0)
  let at = 0
  for (const chunk of chunks) {
    const piece = plain.subarray(at, (at += chunk.plainLength))
    const expected = reference.sealLeaf(piece, keys)
    t.deepEqual(chunk.digest, expected.digest)
    t.deepEqual(chunk.key, expected.key)
    t.deepEqual(chunk.dedupId, expected.dedupId)
    if (chunk.location !== undefined) t.true(bench.block(chunk).equals(expected.sealed))
  }
}

test.before((t) => {
  t.log(`SEED=${seed}`)
})

for (const core of KINDS) {
  const name = core ?? 'native'

  test(`R-10 ${name} threads read shared plaintext in place and write the same blocks as the reference core to segments`, async (t) => {
    await withPipeline({ ...(core && { core }) }, async (bench) => {
      t.is(bench.pipeline.core, name)
      const jobs = Array.from({ length: 4 }, (_, round) => {
        const data = shared(1_500_000 + random.next(1_500_000))
        const small = random.next(3000)
        const items: SealItem[] = [
          { offset: 0, length: 0, mode: 'content-defined', final: true },
          { offset: 0, length: small, mode: 'content-defined', final: true },
          { offset: small, length: 700_000, mode: 'fixed', final: round % 2 === 0 },
          {
            offset: small + 700_000,
            length: data.length - small - 700_000,
            mode: 'content-defined',
            final: round % 2 === 1,
          },
        ]
        return { data: round === 3 ? Uint8Array.from(data) : data, items }
      })
      const answers = await Promise.all(jobs.map((job) => bench.pipeline.seal(job)))
      t.is(bench.pipeline.load, 0)
      answers.forEach((answer, index) => {
        const { data, items } = jobs[index]!
        t.is(answer.length, items.length)
        answer.forEach((sealed, which) => check(t, bench, data, items[which]!, sealed))
      })
    })
  })

  test(`${name}: known chunks are not written again, except one that the store forgets meanwhile`, async (t) => {
    const known = new Map<string, Digest>()
    let asked = 0
    let forgetAfter = Infinity
    const findDuplicate = (dedupId: Uint8Array): Digest | undefined => {
      if (++asked > forgetAfter) known.clear()
      return known.get(Buffer.from(dedupId).toString('hex'))
    }
    await withPipeline({ ...(core && { core }), findDuplicate }, async (bench) => {
      const data = shared(3 * MIB)
      const item: SealItem = { offset: 0, length: data.length, mode: 'content-defined', final: true }
      const seal = async (): Promise<readonly SealedChunk[]> => {
        const [answer] = await bench.pipeline.seal({ data, items: [item] })
        check(t, bench, data, item, answer!)
        return answer!.chunks
      }
      const first = await seal()
      t.true(first.length >= 4 && first.every((chunk) => chunk.location !== undefined))
      for (const chunk of first) known.set(Buffer.from(chunk.dedupId).toString('hex'), chunk.digest)
      t.true((await seal()).every((chunk) => chunk.location === undefined))

      known.delete(Buffer.from(first[1]!.dedupId).toString('hex'))
      t.deepEqual((await seal()).map((chunk) => chunk.location === undefined).indexOf(false), 1)

      known.delete(Buffer.from(first[1]!.dedupId).toString('hex'))
      forgetAfter = asked + first.length
      t.true((await seal()).every((chunk) => chunk.location !== undefined))
    })
  })
}

testWhere('root')(
  'a full disk rejects the job with NO_SPACE; after space is freed the same pool seals it',
  async (t) => {
    const disk = mkdtempSync(join(tmpdir(), 'dagdrive-full-'))
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', disk]).status !== 0) {
      rmSync(disk, { recursive: true })
      throw new Error('no tmpfs can be mounted')
    }
    try {
      writeFileSync(join(disk, 'ballast'), Buffer.alloc(4 * MIB))
      await withPipeline({ segmentDirectory: disk }, async (bench) => {
        const data = shared(3 * MIB)
        const item: SealItem = { offset: 0, length: data.length, mode: 'content-defined', final: true }
        for (let round = 0; round < 3; round++) {
          t.true(isDriveError(await t.throwsAsync(bench.pipeline.seal({ data, items: [item] })), 'NO_SPACE'))
        }
        rmSync(join(disk, 'ballast'))
        const [answer] = await bench.pipeline.seal({ data, items: [item] })
        check(t, bench, data, item, answer!)
      })
    } finally {
      spawnSync('umount', ['-l', disk])
      rmSync(disk, { recursive: true })
    }
  },
)

test('abort rejects waiting and running jobs, and the pool goes on', async (t) => {
  await withPipeline({ workers: 1 }, async ({ pipeline }) => {
    const data = shared(2 * MIB)
    const items: SealItem[] = [{ offset: 0, length: data.length, mode: 'content-defined', final: true }]
    const abort = new AbortController()
    const doomed = Array.from({ length: 6 }, () => pipeline.seal({ data, items }, { signal: abort.signal }))
    const kept = pipeline.seal({ data, items })
    t.true(pipeline.load >= 7)
    abort.abort()
    for (const job of await Promise.allSettled(doomed)) {
      t.true(job.status === 'rejected' && isDriveError(job.reason, 'ABORTED'))
    }
    t.true(isDriveError(await t.throwsAsync(pipeline.seal({ data, items }, { signal: abort.signal })), 'ABORTED'))
    t.true((await kept)[0]!.chunks.length > 0)
    t.is(pipeline.load, 0)
  })
})

test('items outside the data are refused; a closed pipeline accepts no job, and close waits for accepted jobs', async (t) => {
  await withPipeline({}, async ({ pipeline }) => {
    const data = shared(100_000)
    for (const [offset, length] of [
      [0, 100_001],
      [99_999, 2],
      [-1, 1],
      [0.5, 1],
      [0, Number.NaN],
    ] as const) {
      const error = await t.throwsAsync(
        pipeline.seal({ data, items: [{ offset, length, mode: 'fixed', final: true }] }),
      )
      t.true(isDriveError(error, 'INTERNAL'))
    }
    const last = pipeline.seal({ data, items: [{ offset: 0, length: data.length, mode: 'fixed', final: true }] })
    await pipeline.close()
    t.is((await last)[0]!.consumed, data.length)
    t.true(isDriveError(await t.throwsAsync(pipeline.seal({ data, items: [] })), 'INTERNAL'))
  })
})

test('idle threads finish their segment and end, and come back with the next job', async (t) => {
  await withPipeline({ idleTimeoutMs: 100, workers: 1 }, async ({ pipeline, directory }) => {
    const data = shared(10_000)
    const items: SealItem[] = [{ offset: 0, length: data.length, mode: 'content-defined', final: true }]
    await pipeline.seal({ data, items })
    const isFinished = (): boolean =>
      readdirSync(directory).some((name) => statSync(join(directory, name)).size > 16_384)
    t.true(await until(isFinished))
    t.is((await pipeline.seal({ data, items }))[0]!.chunks.length, 1)
  })
})
