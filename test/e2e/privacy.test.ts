import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import * as dagPb from '@ipld/dag-pb'
import { testWhere } from '../support/available.js'
import { program, temporaryFolder, testDrive } from '../support/drive.js'
import { startKubo } from '../kubo/daemon.js'

const CANARY = 'CANARY-7f3a91'
const KIB = 1024
/** Exact sizes that no stored block may show. */
const SIZES = [3, 2_500, 5_001, 70_001, 262_143, 999_999]

testWhere('fuse', 'go')(
  'S-006 R-40 the blocks of a real Kubo show no plaintext, name, exact size or tree shape',
  async (t: ExecutionContext) => {
    t.timeout(10 * 60_000)
    const kubo = await startKubo({ version: '0.43' })
    t.teardown(() => kubo.stop())
    const folder = temporaryFolder(t, 'privacy')
    const drive = testDrive(t)
    await drive.up(['--node', kubo.url, '--phrase-out', join(folder, 'phrase')])
    makeCanaryTree(drive.mountpoint)
    await drive.must(['sync'], 120_000)
    await drive.unmount([], 120_000)

    const found = program('sh', ['-c', `grep -rlaE '${CANARY}|user\\.canary' "$1" || true`, 'sh', kubo.repo])
    t.is(found, '', 'no plaintext and no name in any file of the repository')

    const blocks = await allBlocks(kubo.url)
    const raw = blocks.filter(({ codec }) => codec === 'raw')
    const visible = blocks.filter(({ codec }) => codec === 'dag-pb')
    t.is(raw.length + visible.length, blocks.length, 'only sealed blocks and pin tree nodes')
    t.true(raw.length >= 12, `${raw.length} sealed blocks`)
    for (const { bytes } of raw) {
      t.true(isPaddedLength(bytes.length), `a sealed block of ${bytes.length} bytes`)
      if (bytes.length >= 4096) t.true(entropyBits(bytes) > 7.5, 'sealed bytes look random')
    }
    const sealedSizes = new Set(raw.map(({ bytes }) => bytes.length))
    for (const size of SIZES) for (const extra of [0, 16, 40]) t.false(sealedSizes.has(size + extra), `size ${size}`)

    // The pin tree: unnamed links, no data, no sizes. Every sealed block is at the same depth, whatever the shape of
    // the tree.
    const nodes = new Map(visible.map(({ cid, bytes }) => [cid, dagPb.decode(bytes)]))
    for (const node of nodes.values()) {
      t.true(node.Data === undefined || node.Data.length === 0)
      for (const link of node.Links) {
        t.true(link.Name === undefined || link.Name === '')
        t.true(link.Tsize === undefined || link.Tsize === 0)
      }
    }
  },
)

function makeCanaryTree(top: string): void {
  const body = `${CANARY}-content `
  for (let depth = 0, at = top; depth < 6; depth++) {
    at = join(at, `${CANARY}-folder-${depth}`)
    mkdirSync(at)
    for (let i = 0; i < 5; i++) writeFileSync(join(at, `${CANARY}-file-${i}`), body.repeat(i * 40 + 1))
  }
  for (const size of SIZES)
    writeFileSync(join(top, `${CANARY}-size-${size}`), body.repeat(size / body.length + 1).slice(0, size))
  program('ln', ['-s', `/${CANARY}/target`, join(top, 'link')])
  program('setfattr', ['-n', 'user.canary', '-v', CANARY, join(top, `${CANARY}-size-3`)])
}

interface StoredBlock {
  readonly cid: string
  readonly codec: 'raw' | 'dag-pb' | 'other'
  readonly bytes: Uint8Array
}

/** Every block in the daemon that is reachable from the drive's pin. */
async function allBlocks(url: string): Promise<StoredBlock[]> {
  const call = async (path: string): Promise<Response> =>
    fetch(`${url}/api/v0/${path}`, { method: 'POST', signal: AbortSignal.timeout(60_000) })
  const pins = (await (await call('pin/ls?type=recursive')).json()) as { Keys: Record<string, unknown> }
  const cids = new Set<string>()
  for (const root of Object.keys(pins.Keys)) {
    if (!root.startsWith('baf')) continue // the daemon's own empty directory is CIDv0
    cids.add(root)
    const lines = (await (await call(`refs?arg=${root}&recursive=true&unique=true`)).text()).trim().split('\n')
    for (const line of lines) cids.add((JSON.parse(line) as { Ref: string }).Ref)
  }
  const blocks: StoredBlock[] = []
  for (const cid of cids) {
    const bytes = new Uint8Array(await (await call(`block/get?arg=${cid}`)).arrayBuffer())
    blocks.push({ cid, bytes, codec: cid.startsWith('bafk') ? 'raw' : cid.startsWith('bafybei') ? 'dag-pb' : 'other' })
  }
  return blocks
}

/**
 * Sealed lengths as defined in docs/FORMAT.md: nodes are powers of two, commits the same plus a 24-byte nonce, leaves
 * whole pages in Padmé's steps.
 */
function isPaddedLength(length: number): boolean {
  const isPowerOfTwo = (value: number): boolean => value >= KIB && Number.isInteger(Math.log2(value))
  if (isPowerOfTwo(length) || isPowerOfTwo(length - 24)) return true
  return length > 64 * KIB && length % Math.max(4 * KIB, 2 ** (Math.floor(Math.log2(length)) - 5)) === 0
}

function entropyBits(bytes: Uint8Array): number {
  const counts = new Array<number>(256).fill(0)
  for (const byte of bytes) counts[byte]!++
  return counts
    .filter((count) => count > 0)
    .reduce((sum, count) => sum - (count / bytes.length) * Math.log2(count / bytes.length), 0)
}
