import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { silentLog } from '../../base/index.js'
import { openEnvironment } from './environment.js'
import { shrinkEnvironment } from './shrink-environment.js'

const MIB = 1024 * 1024

test('S-066 the file of an environment that held much and now holds little is small after the next opening', async (t) => {
  const path = await grown(t, 100)
  t.true(sizeOf(path) > 8 * MIB)
  // the remains of a crash during an earlier copy
  mkdirSync(`${path}.shrinking`)
  writeFileSync(join(`${path}.shrinking`, 'data.mdb'), 'half a copy')
  await shrinkEnvironment(path, { log: silentLog, leastBytes: 4 * MIB })
  t.true(sizeOf(path) < MIB, `${sizeOf(path)} bytes`)
  t.false(existsSync(`${path}.shrinking`))
  const again = openEnvironment({ path, log: silentLog })
  const rows = [...again.table('rows').range()]
  t.is(rows.length, 100)
  t.true(rows.every(([key, value]) => value.length === 1000 && value[0] === key[3]))
  t.is([...again.table('others').range()].length, 1)
  again.table('rows').put(Buffer.of(1), Buffer.of(2))
  await again.close()
})

test('a file that is mostly in use is not changed', async (t) => {
  const path = await grown(t, 8_000)
  const before = statSync(join(path, 'data.mdb')).ino
  await shrinkEnvironment(path, { log: silentLog, leastBytes: 4 * MIB })
  t.is(statSync(join(path, 'data.mdb')).ino, before)
})

/** 10,000 rows of 1,000 bytes, of which the first `kept` stay. */
async function grown(t: ExecutionContext, kept: number): Promise<string> {
  const base = mkdtempSync(join(tmpdir(), 'dagdrive-shrink-'))
  t.teardown(() => rmSync(base, { recursive: true, force: true }))
  const path = join(base, 'meta')
  const environment = openEnvironment({ path, log: silentLog })
  const table = environment.table('rows')
  for (let i = 0; i < 10_000; i++) table.put(keyOf(i), Buffer.alloc(1000, i))
  environment.table('others').put(Buffer.of(1), Buffer.of(1))
  await environment.commit()
  for (let i = kept; i < 10_000; i++) table.delete(keyOf(i))
  await environment.commit()
  await environment.close()
  return path
}

function keyOf(i: number): Buffer {
  const key = Buffer.alloc(4)
  key.writeUInt32BE(i)
  return key
}

function sizeOf(path: string): number {
  return statSync(join(path, 'data.mdb')).size
}
