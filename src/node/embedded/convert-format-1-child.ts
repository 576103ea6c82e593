/**
 * The process that reads the LMDB index of format 1, given the folder of a copy, and writes `blocks.sorted` and `roots`
 * beside it.
 */
import { open as openFile } from 'node:fs/promises'
import { join } from 'node:path'
import { open, type Database } from 'lmdb'
import { encodeRecords } from './block-record.js'
import { RootsFile } from './roots-file.js'

const PAGE_ROWS = 2000
const directory = process.argv[2]!

const format = { encoding: 'binary', keyEncoding: 'binary' } as const
const root = open<Buffer, Buffer>({ path: join(directory, 'index.mdb'), noSubdir: true, maxDbs: 4, ...format })
const table = (name: string): Database<Buffer, Buffer> => root.openDB<Buffer, Buffer>({ name, ...format })

const sorted = await openFile(join(directory, 'blocks.sorted'), 'wx', 0o600)
let rows: Parameters<typeof encodeRecords>[0][number][] = []
for (const { key, value } of table('blocks').getRange()) {
  const location = { segment: value.readUInt32BE(0), offset: value.readUIntBE(4, 6), length: value.readUIntBE(10, 6) }
  if (rows.push({ digest: Uint8Array.from(key), location }) < PAGE_ROWS) continue
  await sorted.appendFile(encodeRecords(rows))
  rows = []
}
await sorted.appendFile(encodeRecords(rows))
await sorted.close()

const entries = (name: string): [string, Buffer][] =>
  Array.from(table(name).getRange(), ({ key, value }) => [key.toString(), Buffer.from(value)])
await (
  await RootsFile.open(directory)
).replace({
  pins: new Map(entries('pins').map(([cid, name]) => [cid, name.toString()])),
  names: new Map(entries('names')),
  former: [],
  areIncomplete: false,
})
await root.close()
