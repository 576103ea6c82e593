import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { silentLog } from '../../base/index.js'
import { forgetMapped, nativeSeal } from '../../platform/index.js'
import type { Environment, Table } from './contract.js'
import { openEnvironment } from './environment.js'

const ROWS = 4_000
/** Some 200 MiB. */
const LOAD_ROWS = 100_000

function opened(t: ExecutionContext): { path: string; environment: Environment; table: Table } {
  const path = mkdtempSync(join(tmpdir(), 'dagdrive-mapped-'))
  const environment = openEnvironment({ path, log: silentLog })
  t.teardown(async () => {
    await environment.close()
    rmSync(path, { recursive: true, force: true })
  })
  const table = environment.table('rows')
  return { path, environment, table }
}

test('S-066 mapped pages that were read leave the process when they are released, and can be read again', async (t) => {
  const { path, environment, table } = opened(t)
  for (let i = 0; i < ROWS; i++) table.put(keyOf(i), Buffer.alloc(1000, i))
  await environment.commit()
  const readAll = (): number => [...table.range()].reduce((sum, [, value]) => sum + value[0]!, 0)
  const total = readAll()
  const before = residentKib(join(path, 'data.mdb'))
  t.true(before >= ROWS / 2, `${before} KiB of the map are resident after reading it`)
  forgetMapped(join(path, 'data.mdb'))
  if (nativeSeal()?.forgetMapped !== undefined) t.true(residentKib(join(path, 'data.mdb')) < before / 4)
  t.is(readAll(), total)
})

test('S-066 mapped pages leave the process during a load too, while the reading thread never reaches its event loop', async (t) => {
  const { path, environment, table } = opened(t)
  const [rows, bytes] = [LOAD_ROWS, 1900]
  for (let i = 0; i < rows; i++) {
    table.put(keyOf(i), Buffer.alloc(bytes, i))
    if (i % 20_000 === 0) await environment.commit()
  }
  await environment.commit()
  const totalKib = (rows * bytes) / 1024
  let [seen, least, most] = [0, Infinity, 0]
  // Each round reads more pages than the limit, without a turn of the event loop in between.
  for (let round = 0; round < 6; round++) {
    for (const [, value] of table.range()) {
      if (value.length !== bytes || ++seen % 5_000 !== 0) continue
      const now = residentKib(join(path, 'data.mdb'))
      if (round > 0) least = Math.min(least, now)
      most = Math.max(most, now)
    }
  }
  t.log(`${Math.round(least / 1024)} to ${Math.round(most / 1024)} of ${Math.round(totalKib / 1024)} MiB`)
  t.is(seen, 6 * rows)
  if (nativeSeal()?.forgetMapped !== undefined) {
    t.true(least < totalKib / 2)
    requireBounded(t, most)
  }
})

test('S-066 mapped pages leave the process while a thread looks for rows that are not there', async (t) => {
  const { path, environment, table } = opened(t)
  for (let i = 0; i < LOAD_ROWS; i++) {
    table.put(keyOf(2 * i), Buffer.alloc(1900, i))
    if (i % 20_000 === 0) await environment.commit()
  }
  await environment.commit()
  let most = 0
  // Neighbours are far apart.
  const step = 7919
  for (let i = 0, at = 0; i < LOAD_ROWS; i++, at = (at + step) % LOAD_ROWS) {
    if (table.get(keyOf(2 * at + 1)) !== undefined) t.fail()
    if (i % 1_000 === 0) most = Math.max(most, residentKib(join(path, 'data.mdb')))
  }
  requireBounded(t, most)
})

test('S-066 a row that is read maps its own pages and not their neighbours, where the kernel can do so', async (t) => {
  const { path, environment, table } = opened(t)
  const [rows, reads] = [20_000, 200]
  for (let i = 0; i < rows; i++) table.put(keyOf(i), Buffer.alloc(1900, i))
  await environment.commit()
  const file = join(path, 'data.mdb')
  forgetMapped(file)
  const before = residentKib(file)
  for (let i = 0; i < reads; i++) if (table.get(keyOf(i * (rows / reads))) === undefined) t.fail()
  const each = (residentKib(file) - before) / reads
  t.log(`${each.toFixed(1)} KiB a row`)
  // A leaf, and the branches that lead to it; the neighbours are 64 KiB or more.
  t.true(each <= 16 || !faultsSingly(file))
})

test('S-066 mapped pages of large values leave the process during a load', async (t) => {
  const { path, environment, table } = opened(t)
  const rows = 800
  for (let i = 0; i < rows; i++) {
    table.put(keyOf(i), Buffer.alloc(250_000, i))
    if (i % 40 === 0) await environment.commit()
  }
  await environment.commit()
  let most = 0
  for (let i = 0; i < rows; i++) {
    if (table.get(keyOf(i))?.byteLength !== 250_000) t.fail()
    if (i % 10 === 0) most = Math.max(most, residentKib(join(path, 'data.mdb')))
  }
  requireBounded(t, most)
})

function keyOf(i: number): Buffer {
  const key = Buffer.alloc(4)
  key.writeUInt32BE(i)
  return key
}

/** The bound on all mapped files, and what is mapped between two looks. */
function requireBounded(t: ExecutionContext, mostKib: number): void {
  t.log(`at most ${Math.round(mostKib / 1024)} MiB`)
  if (nativeSeal()?.forgetMapped !== undefined) t.true(mostKib < (72 + 16 + 16) * 1024)
}

/** Whether the map is registered for asynchronous write protection; see native/single_faults.h. */
function faultsSingly(path: string): boolean {
  const [, ours = ''] = readFileSync('/proc/self/smaps', 'latin1').split(` ${path}\n`)
  return /^VmFlags:.* uw( |$)/m.exec(ours) !== null
}

/** Resident KiB of all mappings of a file, according to the system. */
function residentKib(path: string): number {
  let [isOurs, sum] = [false, 0]
  for (const line of readFileSync('/proc/self/smaps', 'latin1').split('\n')) {
    if (/^[0-9a-f]+-[0-9a-f]+ /.test(line)) isOurs = line.endsWith(path)
    else if (isOurs && line.startsWith('Rss:')) sum += Number(/\d+/.exec(line)![0])
  }
  return sum
}
