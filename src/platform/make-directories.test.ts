import test from 'ava'
import { mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeDirectories } from './make-directories.js'

test('missing parents are made with the mode, and existing directories stay unchanged', async (t) => {
  const base = await mkdtemp(join(tmpdir(), 'dagdrive-directories-'))
  t.teardown(() => rm(base, { recursive: true }))
  await makeDirectories(join(base, 'a', 'b', 'c'), 0o700)
  await makeDirectories(join(base, 'a'), 0o755)
  for (const path of ['a', 'a/b', 'a/b/c']) t.is((await stat(join(base, path))).mode & 0o777, 0o700)
})

test('a file or a dangling symlink in the way is an error', async (t) => {
  const base = await mkdtemp(join(tmpdir(), 'dagdrive-directories-'))
  t.teardown(() => rm(base, { recursive: true }))
  await writeFile(join(base, 'file'), '')
  await symlink('nowhere', join(base, 'link'))
  await t.throwsAsync(makeDirectories(join(base, 'file')), { code: 'EEXIST' })
  await t.throwsAsync(makeDirectories(join(base, 'file', 'a')), { code: 'ENOTDIR' })
  await t.throwsAsync(makeDirectories(join(base, 'link', 'a')), { code: 'EEXIST' })
})

test('a file system that cannot make directories answers at once', async (t) => {
  t.timeout(10 * 60_000)
  await t.throwsAsync(makeDirectories('/proc/dagdrive/a'), { code: 'ENOENT' })
})
