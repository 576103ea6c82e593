import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { testWhere } from '../support/available.js'
import { program, testDrive } from '../support/drive.js'

const test = testWhere('fuse', 'root')

test('S-115 truncating, zeroing and seeking in a sparse file of petabytes does not stop the drive for others', async (t: ExecutionContext) => {
  t.timeout(3 * 60_000)
  const drive = testDrive(t)
  await drive.up()
  for (const change of ['truncate -s 0 big', 'fallocate -p -o 0 -l 1P big', 'truncate -s +1M big']) {
    const script = `set -e; truncate -s 3P big; echo x >> big; (${change}) & echo other > other; cat other; wait`
    t.is(program('bash', ['-c', script], { cwd: drive.mountpoint }), 'other\n')
  }
  t.is(program('stat', ['-c', '%s', join(drive.mountpoint, 'big')]), `${3 * 1024 ** 5 + 2 + 1024 ** 2}\n`)
})
