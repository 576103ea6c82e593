import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { testWhere } from '../../../../test/support/available.js'
import { smallDisk } from '../../../../test/support/small-disk.js'
import { silentLog } from '../../../base/index.js'
import { DeadMounts } from './dead-mounts.js'
import { readMountRecord, writeMountRecord } from '../mount-record.js'

const mountAt = (directory: string) => ({ directory, readOnly: false, allowOther: false })

function folder(t: ExecutionContext): string {
  const made = mkdtempSync(join(tmpdir(), 'dagdrive-remount-'))
  t.teardown(() => rmSync(made, { recursive: true, force: true }))
  return made
}

test('S-141 the record of mounts is not written again if only the held mount is in it', async (t: ExecutionContext) => {
  const file = join(folder(t), 'mounts.json')
  await writeMountRecord(file, [mountAt('/nowhere/held')], silentLog)
  const before = statSync(file)
  await new DeadMounts(file, silentLog).detach('/nowhere/held')
  t.is(statSync(file).ino, before.ino)
  t.is(statSync(file).mtimeMs, before.mtimeMs)
})

testWhere('root')('S-141 a full disk prevents no opening because of the record of mounts', async (t) => {
  const disk = folder(t)
  smallDisk(t, disk, 1)
  const file = join(disk, 'mounts.json')
  await writeMountRecord(file, [mountAt('/nowhere/held'), mountAt('/nowhere/dead')], silentLog)
  t.throws(() => writeFileSync(join(disk, 'filler'), Buffer.alloc(2 << 20)), { code: 'ENOSPC' })
  await t.notThrowsAsync(new DeadMounts(file, silentLog).detach('/nowhere/held'))
  t.is((await readMountRecord(file, silentLog)).length, 2, 'the disk is full')
})
