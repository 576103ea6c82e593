import { chmod, mkdir, mkdtemp, realpath, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { restoreMode } from './mount-record.js'

test('S-051 a directory gets its mode back; a link, another directory or a file at its path is not changed', async (t) => {
  const base = await realpath(await mkdtemp(join(tmpdir(), 'dagdrive-modes-')))
  t.teardown(() => rm(base, { recursive: true, force: true }))
  const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o7777
  const drive = join(base, 'a/drive')
  await mkdir(drive, { recursive: true })
  await chmod(drive, 0o500)
  await restoreMode(drive, 0o4755)
  t.is(await modeOf(drive), 0o755, 'no set-ID bits')
  await restoreMode(drive, 0o777)
  t.is(await modeOf(drive), 0o755, 'it is no longer guarded')

  const victim = join(base, 'victim')
  await writeFile(victim, 'x', { mode: 0o500 })
  await rename(join(base, 'a'), join(base, 'b'))
  await mkdir(join(base, 'a'))
  await symlink(victim, drive)
  await restoreMode(drive, 0o777)
  t.is(await modeOf(victim), 0o500)
  await rm(join(base, 'a'), { recursive: true })
  await chmod(join(base, 'b/drive'), 0o500)
  await symlink(join(base, 'b'), join(base, 'a'))
  await restoreMode(drive, 0o777)
  t.is(await modeOf(join(base, 'b/drive')), 0o500, 'through a link above it')
})
