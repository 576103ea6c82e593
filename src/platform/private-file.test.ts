import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { DriveError } from '../base/index.js'
import { writePrivateFile } from './private-file.js'

test('a private file is written whole and 0600; where it may not be, that is said in words', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'dagdrive-private-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const path = join(folder, 'below', 'file')
  await writePrivateFile(path, 'one')
  await writePrivateFile(path, 'two')
  t.is(await readFile(path, 'utf8'), 'two')
  t.is((await stat(path)).mode & 0o777, 0o600)
  t.deepEqual(await readdir(join(folder, 'below')), ['file'])
  // Nobody may make files there, root neither.
  const error = await t.throwsAsync<DriveError>(writePrivateFile('/sys/kernel/config.json', 'x'), {
    instanceOf: DriveError,
  })
  t.is(error?.code, 'ACCESS_DENIED')
  t.regex(error?.message ?? '', /not writable for this user/)
})
