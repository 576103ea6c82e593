import { join } from 'node:path'
import test from 'ava'
import { createFile, name, scratchDrive, sealer, writeFile, caller } from '../../../test/support/vfs/drive.js'
import { DriveError, seededRandom, silentLog } from '../../base/index.js'
import { openEnvironment, openEnvironmentReader, type RowSealer } from '../../storage/kv/index.js'
import { chunkKey, encodeChunk, inodeKey, TABLES } from '../../tree-state/index.js'
import { ROOT_INO } from '../../vfs/index.js'
import type { CheckFinding } from './contract.js'
import { checkHere } from './here.js'
import type { CheckParts } from './parts.js'

/** As that of the drive: a row that does not open is CORRUPT. */
const strict: RowSealer = {
  ...sealer(),
  open(aad, sealed) {
    try {
      return sealer().open(aad, sealed)
    } catch (cause) {
      throw new DriveError('CORRUPT', 'A record does not open.', { cause })
    }
  },
}

test('S-099 a local row that does not open is reported with its file, and everything after it is checked', async (t) => {
  const scratch = scratchDrive()
  t.teardown(() => scratch.remove())
  const drive = await scratch.open()
  const { tree, port } = drive
  const { ino: folder } = await tree.makeDirectory(ROOT_INO, name('folder'), 0o755, caller)
  const random = seededRandom(1)
  const first = await writeFile(tree, 'first', random.bytes(3_000_000), folder)
  const second = (await createFile(tree, 'second', folder)).ino
  const last = await writeFile(tree, 'last', random.bytes(3_000_000))
  await port.flush()
  await drive.shut()
  const path = join(scratch.path, 'meta')
  // Rows of another key do not open.
  const meta = openEnvironment({ path, log: silentLog })
  meta.table(TABLES.inodes).put(inodeKey(second), Buffer.alloc(100))
  meta.table(TABLES.chunks).put(chunkKey(first, 0), Buffer.alloc(100))
  await meta.commit()
  const reader = openEnvironmentReader(path, strict)
  t.teardown(async () => {
    await reader.close()
    await meta.close()
  })
  const findings: CheckFinding[] = []
  const parts = {
    meta: reader,
    state: { tables: { live: { get: () => undefined }, nodes: { range: () => [] }, unreadable: { keys: () => [] } } },
    port: {
      readBlocks: (digests: readonly unknown[]) => Promise.resolve(digests.map(() => undefined)),
      flush: () => Promise.resolve(),
    },
  } as unknown as CheckParts
  const signal = new AbortController().signal
  const onFinding = (finding: CheckFinding): void => void findings.push(finding)
  await checkHere(parts, { repair: false, signal, onFinding }, () => undefined)
  const told = findings.map(({ what, kind, path: at, outcome }) => `${kind} ${what} ${at ?? '?'} ${outcome}`)
  t.deepEqual(
    told.filter((line) => line.includes('record')),
    ['damaged record folder/second lost', 'damaged record folder/first lost'],
  )
  // No block is here in this test, so each row that was reached is reported as a missing block.
  t.true(told.includes('missing block folder/first lost'), 'the rows of the same file')
  t.true(told.includes('missing block last lost'), 'the rows of files after it')
  t.is(told.length, 4, told.join(', '))
  t.true(last > second)
})

test('S-159 a block to which very many rows refer is read and opened once, good or damaged', async (t) => {
  const scratch = scratchDrive()
  t.teardown(() => scratch.remove())
  const drive = await scratch.open()
  const ino = await writeFile(drive.tree, 'file', new Uint8Array(10))
  await drive.port.flush()
  await drive.shut()
  const path = join(scratch.path, 'meta')
  const meta = openEnvironment({ path, log: silentLog, sealer: strict })
  const reader = openEnvironmentReader(path, strict)
  t.teardown(async () => {
    await reader.close()
    await meta.close()
  })
  const key = Buffer.alloc(32, 1)
  const [good, bad] = [Buffer.alloc(32, 2), Buffer.alloc(32, 3)]
  const rows = 3000
  const put = (offset: number, digest: Buffer, skip: number): void =>
    meta
      .table(TABLES.chunks, { sealed: true })
      .put(chunkKey(ino, offset), encodeChunk({ offset, length: 1, skip, digest, key, born: 0 }))
  for (let i = 0; i < rows; i++) {
    put(i, good, i)
    put(rows + i, bad, i)
  }
  put(2 * rows, good, rows)
  await meta.commit()
  const calls = { read: 0, opened: 0 }
  const parts = {
    meta: reader,
    state: { tables: { live: { get: () => undefined }, nodes: { range: () => [] }, unreadable: { keys: () => [] } } },
    core: {
      sha256: (bytes: Uint8Array) => bytes.subarray(0, 32),
      openLeaf: (bytes: Uint8Array) => {
        calls.opened++
        if (bytes[0] === bad[0]) throw new DriveError('CORRUPT', 'Damaged.')
        return new Uint8Array(rows)
      },
    },
    port: {
      readBlocks: (digests: readonly Uint8Array[]) => {
        calls.read += digests.length
        return Promise.resolve(digests)
      },
      flush: () => Promise.resolve(),
    },
  } as unknown as CheckParts
  const findings: CheckFinding[] = []
  const onFinding = (finding: CheckFinding): void => void findings.push(finding)
  await checkHere(parts, { repair: false, signal: new AbortController().signal, onFinding }, () => undefined)
  t.deepEqual(
    findings.map(({ path: at, kind, blocks }) => [at, kind, blocks]),
    [['file', 'damaged', rows + 1]],
    'with the row that asks for more than the block has',
  )
  t.deepEqual(calls, { read: 2, opened: 2 })
})
