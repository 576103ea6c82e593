import test, { type ExecutionContext } from 'ava'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { seededRandom, silentLog, sleep } from '../../base/index.js'
import { openBlockStore } from './block-store.js'
import { openEnvironment } from '../kv/environment.js'
import { be64, readBe64 } from '../kv/key-integers.js'
import { crashBlock, scratchDirectory, testSealer } from '../../../test/support/storage/storage.js'

const ROUNDS = 8
const ROWS = 1500
const BLOCKS = 5
const seed = (process.pid * 668265263) >>> 0 || 1
const program = fileURLToPath(new URL('../../../test/support/storage/crash-writer.js', import.meta.url))

/**
 * Lets the writer run for a random time after its first acknowledgement, then kills it.
 * @returns the last batch it acknowledged
 */
async function runAndKill(
  kind: 'environment' | 'blocks',
  directory: string,
  first: number,
  delayMs: number,
): Promise<number> {
  const child = spawn(process.execPath, [program, kind, directory, String(first), String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = once(child, 'close')
  let output = ''
  child.stdout.setEncoding('latin1').on('data', (text: string) => (output += text))
  try {
    await Promise.race([once(child.stdout, 'data'), closed])
    await sleep(delayMs)
  } finally {
    child.kill('SIGKILL')
    await closed
  }
  const acknowledged = output
    .slice(0, output.lastIndexOf('\n') + 1)
    .trim()
    .split('\n')
    .map(Number)
  return Math.max(first - 1, ...acknowledged)
}

async function killLoop(
  t: ExecutionContext,
  kind: 'environment' | 'blocks',
  check: (directory: string, acknowledged: number) => Promise<number>,
): Promise<void> {
  t.timeout(10 * 60_000)
  t.log(`seed ${String(seed)}`)
  const random = seededRandom(seed)
  const scratch = scratchDirectory()
  try {
    let first = 1
    for (let round = 0; round < ROUNDS; round++) {
      const acknowledged = await runAndKill(kind, scratch.path, first, random.next(300))
      t.true(acknowledged >= first, 'the writer must have made progress')
      first = (await check(scratch.path, acknowledged)) + 1
    }
    t.log(`${String(first - 1)} batches`)
  } finally {
    scratch.remove()
  }
}

test.serial(
  'kill -9: an environment holds every acknowledged commit, and whole batches only, in order (R-74)',
  async (t) => {
    await killLoop(t, 'environment', async (path, acknowledged) => {
      const environment = openEnvironment({ path, sealer: testSealer(), log: silentLog })
      const table = environment.table('rows', { sealed: true })
      const last = readBe64(table.get(Buffer.from('last'))!)
      t.true(last >= acknowledged)
      for (let i = 0; i < ROWS; i++) t.is(readBe64(table.get(be64(i))!), last)
      await environment.close()
      return last
    })
  },
)

test.serial(
  'kill -9: a block store holds every acknowledged block with its bytes, and a prefix of the batches (R-74)',
  async (t) => {
    await killLoop(t, 'blocks', async (directory, acknowledged) => {
      const store = await openBlockStore({ directory, log: silentLog })
      let last = 0
      while (store.has(crashBlock(last + 1, 0).digest)) last++
      t.true(last >= acknowledged)
      for (let batch = 1; batch <= last; batch++) {
        for (let i = 0; i < BLOCKS; i++) {
          const block = crashBlock(batch, i)
          t.true(Buffer.from(block.bytes).equals((await store.read(block.digest))!))
        }
      }
      for (let batch = last + 1; batch < last + 20; batch++) t.false(store.has(crashBlock(batch, 0).digest))
      t.true(store.usage.blocks >= last * BLOCKS)
      await store.close()
      return last
    })
  },
)
