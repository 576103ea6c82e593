/** Promises of the embedded store beyond the contract: crashes, full disks, damage, freed space. */
import { execFileSync, spawn } from 'node:child_process'
import { mkdir, open, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test from 'ava'
import { failsWith } from '../../../test/suites/node.suite.js'
import { pinTreeOver, nameKey, rawBlocks } from '../../../test/suites/node-material.js'
import { testWhere } from '../../../test/support/available.js'
import { MIB } from '../../base/index.js'
import { type IpfsNode, type NodeBlock } from '../index.js'
import { CHILD, folder, openAt, use, after } from '../../../test/support/node/embedded-store.js'

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

async function sizeOf(path: string): Promise<number> {
  let sum = 0
  for (const name of await readdir(path)) sum += (await stat(join(path, name))).size
  return sum
}
