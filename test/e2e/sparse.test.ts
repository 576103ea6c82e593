import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { MIB } from '../../src/base/index.js'
import { testWhere } from '../support/available.js'
import { program, temporaryFolder, testDrive } from '../support/drive.js'

const test = testWhere('fuse', 'root')

test('S-115 truncating, zeroing and seeking in a sparse file of petabytes does not stop the drive for others', async (t: ExecutionContext) => {
  t.timeout(10 * 60_000)
  const drive = testDrive(t)
  await drive.up()
  for (const change of ['truncate -s 0 big', 'fallocate -p -o 0 -l 1P big', 'truncate -s +1M big']) {
    const script = `set -e; truncate -s 3P big; echo x >> big; (${change}) & echo other > other; cat other; wait`
    t.is(program('bash', ['-c', script], { cwd: drive.mountpoint }), 'other\n')
  }
  t.is(program('stat', ['-c', '%s', join(drive.mountpoint, 'big')]), `${3 * 1024 ** 5 + 2 + 1024 ** 2}\n`)
})

test('S-117 a sparse file of a petabyte from another device is extended and zeroed by a daemon with little memory', async (t: ExecutionContext) => {
  t.timeout(10 * 60_000)
  const folder = temporaryFolder(t)
  const [node, phrase] = [`file://${join(folder, 'node')}`, join(folder, 'phrase')]
  const [here, other] = [testDrive(t), testDrive(t)]
  await other.up(['--node', node, '--phrase-out', phrase])
  const write = 'dd if=/dev/urandom of=disk bs=4k count=1 conv=notrunc status=none'
  const fill = `truncate -s 1P disk; for i in $(seq 40); do ${write} seek=$((i*1000000)); done`
  program('bash', ['-c', `set -e; ${fill}`], { cwd: other.mountpoint })
  await other.unmount()
  await here.up(['--node', node, '--phrase-file', phrase])
  const before = here.daemonPid()
  const change =
    'truncate -s +1M disk; fallocate -p -o 1M -l 100G disk; head -c 10 disk | wc -c; stat -c %s disk; sync disk'
  t.is(program('bash', ['-c', `set -e; ${change}`], { cwd: here.mountpoint }), `10\n${1024 ** 5 + 1024 ** 2}\n`)
  t.true(
    Number(program('stat', ['-c', '%b', join(here.mountpoint, 'disk')])) < 100_000,
    'holes are not counted as data',
  )
  t.is(here.daemonPid(), before)
  t.true(here.residentBytes() < 400 * MIB)
  await here.unmount()
})
