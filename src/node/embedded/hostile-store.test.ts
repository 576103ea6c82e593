/** A damaged or hostile store: nothing outside it is touched, and no process crashes. */
import { execFileSync, spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { pinTreeOver, nameKey, rawBlocks } from '../../../test/suites/node-material.js'
import { DriveError, isDriveError, seededRandom, silentLog, systemClock, systemRandom } from '../../base/index.js'
import { openNode, type IpfsNode } from '../index.js'
import { BlockIndex } from './block-index.js'
import { encodeRecords, RECORD_BYTES } from './block-record.js'

const CHILD = fileURLToPath(new URL('../../../test/suites/node-hostile-child.js', import.meta.url))
const seed = (process.pid * 2654435761) >>> 0 || 1

async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'dagdrive-hostile-'))
  t.teardown(() => rm(path, { recursive: true, force: true }))
  return path
}

function openAt(path: string): Promise<IpfsNode> {
  const common = { dataDirectory: '/nonexistent', clock: systemClock, log: silentLog, random: systemRandom }
  return openNode(pathToFileURL(path).href, common)
}

/** A store with all kinds of files: blocks in a sorted file and in the log, pins, names. */
async function makeStore(path: string): Promise<void> {
  const node = await openAt(path)
  const first = pinTreeOver(rawBlocks(60, 3000, 1))
  await node.importBlocks(first.blocks, { roots: [] })
  await node.pin(first.root, { name: 'one' })
  const key = await nameKey(1)
  await node.putName(key.name, await key.record(first.root, 9n))
  await node.close()
  const index = await BlockIndex.open(path, { mergeAt: 1 })
  await index.commit({ forgotten: [new Uint8Array(32)] })
  await index.close()
  const again = await openAt(path)
  await again.importBlocks(rawBlocks(60, 2000, 2), { roots: [] })
  await again.close()
}

test.serial('S-041 a store with any of its files damaged kills no process and gives no wrong bytes', async (t) => {
  t.timeout(10 * 60_000)
  t.log(`seed ${seed}`)
  const base = await folder(t)
  await makeStore(join(base, 'sound'))
  const deaths: string[] = []
  let found = 0
  const run = async (worker: number): Promise<void> => {
    const random = seededRandom(seed + worker)
    const paths: string[] = []
    for (let round = 0; round < 40; round++) {
      const path = join(base, `damaged-${worker}-${round}`)
      await cp(join(base, 'sound'), path, { recursive: true })
      const many = 1 + random.next(3)
      for (let i = 0; i < many; i++) await damage(path, random)
      paths.push(path)
    }
    const child = spawn(process.execPath, [CHILD, ...paths], { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.on('data', (text: Buffer) => (output += text.toString()))
    const [status, signal] = await new Promise<[number | null, string | null]>((resolve) =>
      child.once('close', (...end) => resolve(end)),
    )
    if (status !== 0 || signal !== null) deaths.push(`${status ?? signal}: ${output.trim().split('\n').at(-1)}`)
    found += output.split('\n').filter((line) => line.startsWith('damage seen')).length
  }
  await Promise.all([run(1), run(2)])
  t.deepEqual(deaths, [])
  t.true(found > 10, `damage was noticed in ${found} of 80 stores`)
})

test.serial('S-041 no link in a store is followed, and no pipe blocks', async (t) => {
  const base = await folder(t)
  await makeStore(join(base, 'sound'))
  const names = (await readdir(join(base, 'sound'), { recursive: true })).sort()
  t.deepEqual(names, [
    'blocks.log',
    'blocks.sorted',
    'dagdrive-store',
    'lock',
    'reserve',
    'roots',
    'roots.copy',
    'segments',
    'segments/00000001.seg',
  ])
  for (const name of names) {
    for (const kind of ['link', 'hard link', 'dangling link', 'pipe']) {
      const path = join(base, 'store')
      const outside = join(base, 'outside')
      await cp(join(base, 'sound'), path, { recursive: true })
      await rename(join(path, name), outside)
      if (kind === 'link') await symlink(outside, join(path, name))
      else if (kind === 'dangling link') await symlink(join(base, 'made'), join(path, name))
      else if (kind === 'pipe') execFileSync('mkfifo', [join(path, name)])
      else if ((await stat(outside)).isFile()) execFileSync('ln', [outside, join(path, name)])
      else await writeFile(join(path, name), '')
      const before = await contentOf(outside)
      const end = await openAt(path).then(
        async (node) => {
          try {
            await node.importBlocks(rawBlocks(30, 40_000, 3), { roots: [] })
          } finally {
            await node.close()
          }
          return 'opened'
        },
        (error: unknown) => error,
      )
      // The reserve has no content, so it is replaced.
      if (end !== 'opened' || name !== 'reserve')
        t.true(isDriveError(end, 'INVALID'), `${kind} for ${name}: ${String(end)}`)
      t.deepEqual(await contentOf(outside), before, `${kind} for ${name}`)
      t.false((await readdir(base)).includes('made'))
      await rm(path, { recursive: true })
      await rm(outside, { recursive: true })
    }
  }
})

test.serial(
  'S-041 pins and names survive damage of either of their files; after damage of both nothing is collected',
  async (t) => {
    const base = await folder(t)
    await makeStore(join(base, 'store'))
    const path = join(base, 'store')
    const { name } = await nameKey(1)
    for (const file of ['roots', 'roots.copy']) {
      const sound = await readFile(join(path, file))
      await writeFile(join(path, file), 'damaged')
      const node = await openAt(path)
      t.is((await node.listPins()).length, 1)
      await node.getName(name)
      await node.close()
      await writeFile(join(path, file), sound)
    }
    await truncate(join(path, 'roots'), 20)
    await truncate(join(path, 'roots.copy'), 0)
    for (let opening = 0; opening < 2; opening++) {
      const node = await openAt(path)
      t.true(isDriveError(await t.throwsAsync(node.getName(name)), 'NODE_ERROR'), 'never "there is no such name"')
      t.true(isDriveError(await t.throwsAsync(node.collectGarbage()), 'NODE_ERROR'))
      const forest = pinTreeOver(rawBlocks(60, 3000, 1))
      await node.pin(forest.root, { name: 'again' })
      await node.close()
    }
  },
)

test.serial(
  'S-080 a store of another format is refused with an explanation, and none of its data is read',
  async (t) => {
    const path = await folder(t)
    await mkdir(join(path, 'segments'))
    await writeFile(join(path, 'dagdrive-store'), 'dagdrive block store, format 1\n')
    await writeFile(join(path, 'index.mdb'), Buffer.alloc(65_536, 0xef))
    const before = await contentOf(path)
    const error = await t.throwsAsync<DriveError>(openAt(path), { instanceOf: DriveError })
    t.is(error?.code, 'INVALID')
    t.regex(error?.message ?? '', /another version of dagdrive. Use a new folder/)
    t.deepEqual(await contentOf(path), before)
  },
)

test.serial('S-080 a log with too many changes is refused, and a log of zeros is truncated', async (t) => {
  const path = await folder(t)
  await makeStore(path)
  const log = join(path, 'blocks.log')
  const sound = await readFile(log)
  const forest = pinTreeOver(rawBlocks(60, 3000, 1))
  await truncate(log, 2 ** 36)
  const node = await openAt(path)
  for (const { cid, bytes } of [...forest.blocks, ...rawBlocks(60, 2000, 2)])
    t.is(Buffer.compare(await node.getBlock(cid), bytes), 0)
  await node.importBlocks(rawBlocks(3, 500, 9), { roots: [] })
  await node.close()
  t.true((await stat(log)).size <= sound.length + 3 * RECORD_BYTES, 'it is rewritten')
  const digests = Array.from({ length: 300_000 }, (_, i) => {
    const digest = Buffer.alloc(32)
    digest.writeUInt32BE(i)
    return { digest, location: { segment: 1, offset: 0, length: 1 } }
  })
  await writeFile(log, encodeRecords(digests))
  const error = await t.throwsAsync<DriveError>(openAt(path), { instanceOf: DriveError })
  t.is(error?.code, 'NODE_ERROR')
  t.regex(error?.message ?? '', /index .* damaged/)
})

async function damage(path: string, random: ReturnType<typeof seededRandom>): Promise<void> {
  const names = (await readdir(path, { recursive: true })).filter((name) => name !== 'segments' && name !== 'lock')
  const file = join(path, names[random.next(names.length)]!)
  const { size } = await stat(file)
  if (random.next(7) === 0 || size > 2 ** 24) return truncate(file, size + 2 ** (20 + random.next(22)))
  const bytes = await readFile(file)
  const at = random.next(bytes.length + 1)
  switch (random.next(6)) {
    case 0:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.next(8))
      return writeFile(file, bytes)
    case 1:
      Buffer.from(random.bytes(64)).copy(bytes, at)
      return writeFile(file, bytes)
    case 2:
      return truncate(file, at)
    case 3:
      return writeFile(file, Buffer.concat([bytes, random.bytes(1 + random.next(500))]))
    case 4:
      bytes.fill(random.next(2) * 255, at, Math.min(bytes.length, at + random.next(5000)))
      return writeFile(file, bytes)
    default:
      return rm(file)
  }
}

async function contentOf(path: string): Promise<unknown> {
  if ((await stat(path)).isFile()) return (await readFile(path)).toString('hex')
  return Promise.all((await readdir(path)).map(async (name) => [name, await contentOf(join(path, name))]))
}
