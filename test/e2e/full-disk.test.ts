import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { testWhere } from '../support/available.js'
import { smallDisk } from '../support/small-disk.js'
import { program, temporaryFolder, testDrive } from '../support/drive.js'
import { listing } from '../support/workload.js'

const DISK_MIB = 96

const FILL = `
import errno, os, sys
done = 0
try:
    with open(sys.argv[1], "wb", buffering=0) as file:
        while done < 400 << 20:
            file.write(os.urandom(1 << 20)); done += 1 << 20
            if done % (8 << 20) == 0: os.fsync(file.fileno())
        os.fsync(file.fileno())
except OSError as error:
    print(errno.errorcode[error.errno], done >> 20)
`

/** A program that retries until its file is written, and prints the elapsed milliseconds. */
const INSIST = `
import os, sys, time
begin = time.monotonic()
while True:
    try:
        with open(sys.argv[1], "wb") as file:
            file.write(os.urandom(int(sys.argv[2]) << 20)); file.flush(); os.fsync(file.fileno())
        break
    except OSError:
        if time.monotonic() - begin > 250: raise
        time.sleep(0.1)
print(int((time.monotonic() - begin) * 1000))
`

for (const isNodeThere of [false, true]) {
  const where = isNodeThere ? ', with the embedded node on the same disk' : ''
  testWhere('fuse', 'root')(
    `S-004 R-63 a full disk${where}: the writer gets ENOSPC, earlier data stays, work continues after space is freed`,
    async (t: ExecutionContext) => {
      t.timeout(10 * 60_000)
      const folder = temporaryFolder(t, 'disk')
      const disk = join(folder, 'disk')
      mkdirSync(disk)
      smallDisk(t, disk, DISK_MIB)
      // Nothing is published automatically, except for lack of space.
      const drive = testDrive(t, { home: join(disk, 'home'), environment: { DAGDRIVE_DEBOUNCE_MS: '3600000' } })
      const node = isNodeThere ? 'embedded' : `file://${join(folder, 'node')}`
      await drive.up(['--node', node, '--phrase-out', join(folder, 'phrase')])
      const top = drive.mountpoint

      program(
        'sh',
        [
          '-c',
          'mkdir kept; for i in $(seq 1 200); do seq 1 $((i * 37)) > kept/$i; done; head -c 9000000 /dev/urandom > kept/big; sync -f .',
        ],
        { cwd: top },
      )
      const kept = listing(join(top, 'kept'))
      const pid = drive.daemonPid()

      const answer = program('python3', ['-c', FILL, join(top, 'filler')], { timeoutMs: 240_000 })
      t.regex(answer, /^(ENOSPC|EDQUOT) \d+/, 'the writer gets the error')
      t.is(drive.daemonPid(), pid, 'the daemon is alive')
      t.is(listing(join(top, 'kept')), kept, 'earlier data is unchanged')
      t.true(freeBytes(disk) > 0, 'a reserve is kept for the databases')

      program('rm', [join(top, 'filler')])
      const insistedMs = Number(
        program('python3', ['-c', INSIST, join(top, 'insisted'), isNodeThere ? '15' : '30'], { timeoutMs: 300_000 }),
      )
      t.log(`the space was free for others after ${insistedMs} ms`)
      // On an idle machine after a second; without a publish for lack of space, after an hour.
      t.true(insistedMs < 240_000, `the space was free for others after ${insistedMs} ms`)
      program('rm', [join(top, 'insisted')])
      const work =
        'head -c 3000000 /dev/urandom > after; sync after; sha256sum after > sum; sync sum; sha256sum -c --quiet sum'
      program('sh', ['-c', work], { cwd: top })
      t.is(listing(join(top, 'kept')), kept)
      const after = listing(top)
      await drive.must(['sync'], 300_000)
      await drive.unmount([], 300_000)
      await drive.mount()
      t.is(listing(top), after)
    },
  )
}

function freeBytes(disk: string): number {
  return Number(program('df', ['--output=avail', '-B1', disk]).split('\n')[1])
}
