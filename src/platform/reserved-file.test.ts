import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { testWhere } from '../../test/support/available.js'
import { smallDisk } from '../../test/support/small-disk.js'
import { ReservedFile } from './reserved-file.js'

testWhere('root')(
  'S-149 a reserved file is replaced again and again on a disk without a free byte',
  async (t: ExecutionContext) => {
    const disk = mkdtempSync(join(tmpdir(), 'dagdrive-reserved-'))
    t.teardown(() => rmSync(disk, { recursive: true, force: true }))
    smallDisk(t, disk, 1)
    const path = join(disk, 'record')
    writeFileSync(path, '["old"]')
    const file = new ReservedFile(path, 8192)
    await file.reserve('["old"]')
    t.throws(() => writeFileSync(join(disk, 'filler'), Buffer.alloc(2 << 20)), { code: 'ENOSPC' })
    for (let i = 0; i < 5; i++) {
      await file.write(JSON.stringify([`loss ${i}`]))
      t.deepEqual(JSON.parse(readFileSync(path, 'utf8')), [`loss ${i}`])
    }
    await file.reserve('[]')
    t.deepEqual(readdirSync(disk).sort(), ['filler', 'record', 'record.spare'])
  },
)
