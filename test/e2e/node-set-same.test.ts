/** `node set` with the current node, for example to change its key: programs in the mount are not affected. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { sleep } from '../../src/base/index.js'
import { testWhere } from '../support/available.js'
import { programAside, temporaryFolder, testDrive } from '../support/drive.js'

/** Writes files by full path until told to stop; exits with 1 at the first error. */
const WRITER = `
  i=0
  while [ ! -e "$1" ]; do
    echo "$i" > "$0/file $i" || exit 1
    [ "$(cat "$0/file $i")" = "$i" ] || exit 2
    i=$((i + 1))
    [ $i -lt 20 ] || : > "$1.begun"
  done
  echo $i
`

testWhere('fuse')(
  'S-031 S-048 node set with the same node keeps the mount, and a program that keeps writing sees no error',
  async (t: ExecutionContext) => {
    const stop = join(temporaryFolder(t, 'same'), 'stop')
    const drive = testDrive(t)
    await drive.up(['--phrase-out', join(drive.home, '..', 'phrase')])
    const writer = spawn('sh', ['-c', WRITER, drive.mountpoint, stop], { stdio: ['ignore', 'pipe', 'pipe'] })
    t.teardown(() => void writer.kill('SIGKILL'))
    let [written, failed] = ['', '']
    writer.stdout.on('data', (data) => (written += String(data)))
    writer.stderr.on('data', (data) => (failed += String(data)))
    const ended = once(writer, 'close')
    while (!existsSync(`${stop}.begun`) && writer.exitCode === null) await sleep(20)
    for (let round = 0; round < 2; round++) await drive.must(['node', 'set', 'embedded'])
    writeFileSync(stop, '')
    t.is((await ended)[0], 0, failed)
    t.is(failed, '')
    const onDrive = (await programAside('ls', [], drive.mountpoint)).trim().split('\n')
    t.is(onDrive.length, Number(written))
    await drive.must(['sync'])
    await drive.unmount()
    t.deepEqual(readdirSync(drive.mountpoint), [], 'the directory beneath is empty')
  },
)
