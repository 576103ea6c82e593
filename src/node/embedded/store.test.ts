/** Promises of the embedded store beyond the contract: locks, crashes, full disks, damage, freed space. */
import { execFileSync, spawn } from 'node:child_process'
import { mkdir, mkdtemp, open, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { failsWith } from '../../../test/suites/node.suite.js'
import { pinTreeOver, nameKey, rawBlocks } from '../../../test/suites/node-material.js'
import { testWhere } from '../../../test/support/available.js'
import { DriveError, MIB, silentLog, systemClock, systemRandom } from '../../base/index.js'
import { allocatePages } from '../../platform/index.js'
import { openNode, type IpfsNode, type NodeBlock } from '../index.js'

const CHILD = fileURLToPath(new URL('../../../test/suites/node-import-child.js', import.meta.url))

async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'dagdrive-store-'))
  t.teardown(() => rm(path, { recursive: true, force: true }))
  return path
}

function openAt(path: string): Promise<IpfsNode> {
  const common = {
    dataDirectory: '/nonexistent',
    clock: systemClock,
    log: silentLog,
    random: systemRandom,
    allocatePages,
  }
  return openNode(pathToFileURL(path).href, common)
}

async function use<T>(path: string, work: (node: IpfsNode) => Promise<T>): Promise<T> {
  const node = await openAt(path)
  try {
    return await work(node)
  } finally {
    await node.close()
  }
}

test.serial('blocks, pins and names survive closing and reopening (R-20)', async (t) => {
  const path = join(await folder(t), 'store')
  const forest = pinTreeOver(rawBlocks(20, 5000, 1))
  const key = await nameKey(1)
  const record = await key.record(forest.root, 9n)
  await use(path, async (node) => {
    await node.importBlocks(forest.blocks, { roots: [forest.root] })
    await node.pin(forest.root, { name: 'mine' })
    await node.putName(key.name, record)
  })
  await use(path, async (node) => {
    for (const block of forest.blocks)
      t.deepEqual(Buffer.from(await node.getBlock(block.cid)), Buffer.from(block.bytes))
    t.deepEqual(await node.listPins(), [{ cid: forest.root, name: 'mine' }])
    t.deepEqual(Buffer.from(await node.getName(key.name)), Buffer.from(record))
    await node.importBlocks(rawBlocks(5, 100, 2), { roots: [] })
    t.is((await readdir(join(path, 'segments'))).length, 1, 'the last segment is continued')
  })
})

test.serial('a store has one user at a time; a second user gets the process and host of the holder', async (t) => {
  const path = join(await folder(t), 'store')
  const opened = await Promise.allSettled(Array.from({ length: 6 }, () => openAt(path)))
  const nodes = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  t.is(nodes.length, 1)
  const error = await t.throwsAsync(openAt(path))
  t.true(error instanceof DriveError && error.code === 'LOCKED')
  t.true(error?.message.includes(String(process.pid)) && error.message.includes(hostname()), error?.message)
  await nodes[0]!.close()
  await nodes[0]!.close()
  await use(path, async (node) => t.deepEqual(await node.listPins(), []))
})

test.serial('S-040 the lock is the kernel\u2019s: no content of the lock file keeps anybody out', async (t) => {
  const path = join(await folder(t), 'store')
  await use(path, async () => undefined)
  const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
  const alive = { pid: process.ppid, host: hostname(), boot, pidNamespace: await readlink('/proc/self/ns/pid') }
  for (const text of ['', 'no JSON', JSON.stringify(alive), JSON.stringify({ ...alive, host: 'another-machine' })]) {
    await writeFile(join(path, 'lock'), text)
    await t.notThrowsAsync(use(path, async () => undefined))
  }
  t.pass()
})

test.serial('S-040 the content of the lock file is shown only when it is a process id and a host name', async (t) => {
  const path = join(await folder(t), 'store')
  await use(path, async () => {
    for (const text of [
      JSON.stringify({ pid: 7, host: '\u001b]0;owned\u0007' }),
      JSON.stringify({ pid: '\u001b[2J', host: 'here' }),
      '\u001b[31m'.repeat(1_000_000),
      '[]',
      'null',
    ]) {
      await writeFile(join(path, 'lock'), text)
      const error = await t.throwsAsync(openAt(path))
      t.true(error instanceof DriveError && error.code === 'LOCKED')
      t.regex(JSON.stringify([error?.message, (error as DriveError).about]), /^[\x20-\x7e]{1,400}$/)
      t.notRegex(JSON.stringify([error?.message, (error as DriveError).about]), /\\u001b/)
    }
  })
})

testWhere('root')('S-040 a store whose user was killed in a container is free', async (t) => {
  const path = join(await folder(t), 'store')
  const command = [
    '-c',
    'hostname elsewhere && exec "$@"',
    'sh',
    process.execPath,
    CHILD,
    pathToFileURL(path).href,
    '1',
  ]
  const child = spawn('unshare', ['--pid', '--uts', '--mount-proc', '--fork', '--kill-child', 'sh', ...command], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const gone = new Promise((resolve) => child.once('exit', resolve))
  await new Promise((resolve) => child.stdout.once('data', resolve))
  const error = await t.throwsAsync(openAt(path))
  t.true(error?.message.includes('elsewhere'), error?.message)
  child.kill('SIGKILL')
  await gone
  for (let tries = 0; tries < 100; tries++) {
    const opened = await openAt(path).catch(() => undefined) // the inner process ends shortly after the outer one
    if (opened === undefined) continue
    t.true((await opened.listPins()).length > 0)
    return opened.close()
  }
  t.fail('still locked')
})

test.serial('folders that are not a store stay unchanged', async (t) => {
  const base = await folder(t)
  await mkdir(join(base, 'photos'))
  await writeFile(join(base, 'photos', 'cat.jpg'), 'meow')
  await failsWith(t, ['INVALID'], openAt(join(base, 'photos')))
  t.deepEqual(await readdir(join(base, 'photos')), ['cat.jpg'])
  await mkdir(join(base, 'newer'))
  await writeFile(join(base, 'newer', 'dagdrive-store'), 'dagdrive block store, format 3\n')
  await failsWith(t, ['INVALID'], openAt(join(base, 'newer')))
  await failsWith(t, ['OFFLINE'], openAt(join(base, 'not mounted', 'store')))
})

test.serial('a store killed at any moment keeps every version it confirmed (R-74)', async (t) => {
  t.timeout(10 * 60_000)
  const path = join(await folder(t), 'store')
  let confirmed = 0
  let last: { seed: number; root: string } | undefined
  for (let round = 0; round < 6; round++) {
    const seed = 1000 + round * 1000
    const child = spawn(process.execPath, [CHILD, pathToFileURL(path).href, String(seed)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdout.on('data', (text: Buffer) => (output += text.toString()))
    const gone = new Promise((resolve) => child.once('exit', resolve))
    while (!output.includes('\n')) await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, 5))])
    await new Promise((resolve) => setTimeout(resolve, 20 + 37 * round))
    child.kill('SIGKILL')
    await gone
    const lines = output.split('\n').slice(0, -1)
    confirmed += lines.length
    const [lastSeed, root] = lines.at(-1)!.split(' ')
    last = { seed: Number(lastSeed), root: root! }
    await use(path, async (node) => {
      const pins = await node.listPins()
      const following = pinTreeOver(rawBlocks(40, 20_000, last!.seed + 1))
      const either = [last!.root, following.root]
      t.true(pins.length > 0 && pins.every(({ cid }) => either.includes(cid)))
      for (const version of [last!.seed - 1, last!.seed].filter((one) => one >= seed)) {
        for (const block of pinTreeOver(rawBlocks(40, 20_000, version)).blocks) {
          t.deepEqual(Buffer.from(await node.getBlock(block.cid)), Buffer.from(block.bytes))
        }
      }
    })
  }
  t.true(confirmed >= 6)
  t.log(`${confirmed} versions confirmed before 6 kills`)
})

test.serial('garbage collection frees disk space', async (t) => {
  const path = join(await folder(t), 'store')
  await use(path, async (node) => {
    const kept = pinTreeOver(rawBlocks(20, 50_000, 11))
    const dropped = pinTreeOver(rawBlocks(300, 50_000, 12))
    const order = [...dropped.leaves.slice(0, 150), ...kept.blocks, ...dropped.leaves.slice(150), ...dropped.nodes]
    await node.importBlocks(order, { roots: [kept.root] })
    await node.pin(kept.root, { name: 'kept' })
    const before = await sizeOf(join(path, 'segments'))
    t.true(before > 15_000_000)
    t.is((await node.collectGarbage()).removedBlocks, dropped.blocks.length)
    const after = await sizeOf(join(path, 'segments'))
    t.true(after < 1_500_000, `${before} bytes became ${after}`)
    t.true((await node.check()).bytes! < 1_500_000)
    await node.importBlocks(rawBlocks(3, 1000, 13), { roots: [] })
    t.is((await node.collectGarbage()).removedBlocks, 3)
  })
  await use(path, async (node) => {
    for (const block of pinTreeOver(rawBlocks(20, 50_000, 11)).blocks) {
      t.deepEqual(Buffer.from(await node.getBlock(block.cid)), Buffer.from(block.bytes))
    }
  })
})

test.serial('reads continue during garbage collection, and imports wait for it', async (t) => {
  const path = join(await folder(t), 'store')
  await use(path, async (node) => {
    const kept = pinTreeOver(rawBlocks(60, 30_000, 21))
    await node.importBlocks([...rawBlocks(200, 30_000, 22), ...kept.blocks], { roots: [] })
    await node.pin(kept.root, { name: 'kept' })
    let collected = false
    const collecting = node.collectGarbage().then(() => (collected = true))
    const importing = node.importBlocks(rawBlocks(3, 100, 23), { roots: [] })
    let reads = 0
    while (!collected) {
      const block = kept.blocks[reads++ % kept.blocks.length]!
      t.deepEqual(Buffer.from(await node.getBlock(block.cid)), Buffer.from(block.bytes))
    }
    await collecting
    await importing
    t.deepEqual(await node.missing(rawBlocks(3, 100, 23).map((block) => block.cid)), [])
    t.true(reads > 0)
  })
})

test.serial(
  'a stuck source does not block its own cancellation, a cancelled garbage collection, or closing',
  async (t) => {
    const node = await openAt(join(await folder(t), 'store'))
    const stuck = async function* (): AsyncGenerator<NodeBlock> {
      yield* rawBlocks(1, 100, 25)
      await new Promise(() => undefined)
    }
    const cancelled = node.importBlocks(stuck(), { roots: [], signal: after(50) })
    await failsWith(t, ['ABORTED'], node.collectGarbage({ signal: after(20) }))
    await failsWith(t, ['ABORTED'], cancelled)
    const open = t.throwsAsync(node.importBlocks(stuck(), { roots: [] }))
    await new Promise((resolve) => setTimeout(resolve, 20))
    await node.close()
    await open
    await failsWith(t, ['OFFLINE'], node.listPins())
  },
)

test.serial('a damaged block is refused, counts as missing and is replaced by the next import', async (t) => {
  const path = join(await folder(t), 'store')
  const forest = pinTreeOver(rawBlocks(8, 4000, 31))
  await use(path, async (node) => {
    await node.importBlocks(forest.blocks, { roots: [forest.root] })
    await node.pin(forest.root, { name: 'x' })
    const file = await open(join(path, 'segments', '00000001.seg'), 'r+')
    await file.write(Buffer.from([1, 2, 3, 4]), 0, 4, 100)
    await file.close()
    const damaged = forest.leaves[0]!
    await failsWith(t, ['WRONG_BLOCK'], node.getBlock(damaged.cid))
    t.deepEqual(await node.missing(forest.blocks.map((block) => block.cid)), [damaged.cid])
    await node.importBlocks(forest.blocks, { roots: [forest.root] })
    t.deepEqual(Buffer.from(await node.getBlock(damaged.cid)), Buffer.from(damaged.bytes))
    t.deepEqual(await node.missing(forest.blocks.map((block) => block.cid)), [])
  })
})

test.serial('the cost of a pin update depends on the change, not on the size of the tree', async (t) => {
  const path = join(await folder(t), 'store')
  await use(path, async (node) => {
    const leaves = rawBlocks(20_000, 16, 41)
    const before = pinTreeOver(leaves, 128)
    const after = pinTreeOver([...leaves.slice(0, -1), ...rawBlocks(1, 16, 42)], 128)
    await node.importBlocks([...before.blocks, ...after.blocks], { roots: [] })
    const first = performance.now()
    await node.pin(before.root, { name: 'x' })
    const pinMs = performance.now() - first
    const second = performance.now()
    await node.updatePin(before.root, after.root)
    const updateMs = performance.now() - second
    t.log(`pin ${pinMs.toFixed(1)} ms, update ${updateMs.toFixed(1)} ms`)
    t.true(updateMs < pinMs / 2)
  })
})

testWhere('root')(
  'a full disk is NO_SPACE, stored blocks stay, and work continues when there is space (R-63)',
  async (t) => {
    const mount = await folder(t)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', mount])
    t.teardown(() => execFileSync('umount', ['-l', mount]))
    await use(join(mount, 'store'), async (node) => {
      const small = pinTreeOver(rawBlocks(10, 10_000, 51))
      await node.importBlocks(small.blocks, { roots: [small.root] })
      await node.pin(small.root, { name: 'small' })
      const big = rawBlocks(40, MIB - 100, 52)
      for (let tries = 0; tries < 3; tries++) await failsWith(t, ['NO_SPACE'], node.importBlocks(big, { roots: [] }))
      for (const block of small.blocks)
        t.deepEqual(Buffer.from(await node.getBlock(block.cid)), Buffer.from(block.bytes))

      await node.importBlocks(rawBlocks(7, 3000, 50), { roots: [] })

      // The disk is filled to the last byte, so the index cannot be written either.
      const filler = join(mount, 'filler')
      const file = await open(filler, 'w')
      for (let piece = 1 << 20; piece >= 4096; piece >>= 1) {
        try {
          for (;;) await file.write(Buffer.alloc(piece, 1))
        } catch {
          continue // no space for a piece of this size
        }
      }
      await file.close()
      for (let tries = 0; tries < 5; tries++) {
        await failsWith(t, ['NO_SPACE'], node.importBlocks(rawBlocks(20, 20_000, 53 + tries), { roots: [] }))
        await failsWith(t, ['NO_SPACE'], pinMany(node, tries))
      }
      for (const block of small.blocks)
        t.deepEqual(Buffer.from(await node.getBlock(block.cid)), Buffer.from(block.bytes))
      t.is((await node.collectGarbage()).removedBlocks, 7, 'garbage can be collected on a full disk')
      await rm(filler)
      const later = pinTreeOver(rawBlocks(10, 10_000, 60))
      await node.importBlocks(later.blocks, { roots: [] })
      await node.updatePin(small.root, later.root)
      await node.unpin(small.root)
      await node.collectGarbage()
      t.deepEqual(await node.missing(later.blocks.map((block) => block.cid)), [])
    })
    await use(join(mount, 'store'), async (node) => t.is((await node.listPins()).length, 1))
  },
)

/** Writes only to the index until the disk has no free page. */
async function pinMany(node: IpfsNode, round: number): Promise<void> {
  for (let at = 0; at < 3000; at++) {
    const key = await nameKey(10_000 * (round + 1) + at + 1)
    await node.putName(key.name, await key.record('bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku', 1n))
  }
}

function after(delayMs: number): AbortSignal {
  const abort = new AbortController()
  setTimeout(() => abort.abort(), delayMs)
  return abort.signal
}

async function sizeOf(path: string): Promise<number> {
  let sum = 0
  for (const name of await readdir(path)) sum += (await stat(join(path, name))).size
  return sum
}
