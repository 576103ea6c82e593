import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { GIB, MIB, seededRandom } from '../../src/base/index.js'
import { testWhere } from '../support/available.js'
import { programLater, temporaryFolder, testDrive, type TestDrive } from '../support/drive.js'
import { until } from '../support/until.js'

import type { ExecutionContext } from 'ava'

const PEAK_BYTES = 400 * MIB
const IDLE_BYTES = 150 * MIB

testWhere('fuse')(
  'S-064 S-066 R-76 creating, publishing and walking 30,000 files: the daemon stays under 400 MiB, and idle under 150 MiB',
  async (t) => {
    t.timeout(15 * 60_000)
    const drive = await mounted(t)
    const script = `
      import os, sys
      for i in range(30000):
          if i % 3000 == 0: os.mkdir('d%d' % (i // 3000))
          with open('d%d/f%d' % (i // 3000, i), 'wb') as f: f.write(b'%08d' % i * 40)`
    await python(t, drive, script)
    await drive.must(['sync'], 600_000)
    await python(t, drive, "import os; assert sum(len(f) for _, _, f in os.walk('.')) == 30000")
    await rested(t, drive)
  },
)

testWhere('fuse')(
  'S-064 S-065 S-066 R-76 a file of 64 GiB is made by copy_file_range, published, read after a restart and removed',
  async (t) => {
    t.timeout(15 * 60_000)
    const drive = await mounted(t)
    const seed = seededRandom(21).bytes(4 * MIB)
    const script = `
      import os, sys
      fd = os.open('huge', os.O_RDWR | os.O_CREAT)
      with open(sys.argv[1], 'rb') as seed: os.write(fd, seed.read())
      size = os.fstat(fd).st_size
      while size < ${64 * GIB}:
          left = min(size, ${64 * GIB} - size)
          done = 0
          while done < left: done += os.copy_file_range(fd, fd, left - done, done, size + done)
          size += left`
    await python(t, drive, script, [seed])
    await drive.must(['sync'], 600_000)
    peak(t, drive)
    await drive.unmount([], 600_000)
    await drive.stop()
    await drive.mount()
    const ends = `
      import os
      fd = os.open('huge', os.O_RDONLY)
      first = os.pread(fd, 65536, 0)
      assert len(first) == 65536 and os.pread(fd, 65536, ${64 * GIB} - ${4 * MIB}) == first
      os.close(fd)
      os.unlink('huge')`
    await python(t, drive, ends)
    await drive.must(['sync'], 600_000)
    await rested(t, drive)
  },
)

testWhere('fuse')(
  'S-064 S-066 S-089 R-76 writing 20,000 random pages of one file and publishing: the daemon stays under 400 MiB',
  async (t) => {
    t.timeout(15 * 60_000)
    const drive = await mounted(t)
    const script = `
      import os, random
      random.seed(22)
      fd = os.open('scattered', os.O_RDWR | os.O_CREAT)
      for i in range(20000): os.pwrite(fd, b'%08d' % i * 512, random.randrange(${256 * MIB} // 4096) * 4096)
      os.fsync(fd)`
    await python(t, drive, script)
    await drive.must(['sync'], 600_000)
    await rested(t, drive)
  },
)

async function mounted(t: ExecutionContext): Promise<TestDrive> {
  const folder = temporaryFolder(t, 'scale')
  const drive = testDrive(t, { holder: true })
  await drive.up(['--node', `file://${join(folder, 'node')}`, '--phrase-out', join(folder, 'phrase')])
  return drive
}

/** Runs a Python program on the mount, with the given arguments. */
async function python(
  t: ExecutionContext,
  drive: TestDrive,
  script: string,
  inputs: readonly Uint8Array[] = [],
): Promise<void> {
  const folder = temporaryFolder(t, 'scale-input')
  const paths = inputs.map((bytes, i) => {
    const path = join(folder, `input-${i}`)
    writeFileSync(path, bytes)
    return path
  })
  const text = script.replace(/^ {6}/gm, '').trim()
  t.is(await programLater('python3', ['-c', text, ...paths], drive.mountpoint).done, 0, drive.log())
}

async function rested(t: ExecutionContext, drive: TestDrive): Promise<void> {
  peak(t, drive)
  const began = performance.now()
  // The daemon collects garbage, drops reloadable data and releases mapped pages; on a busy machine it takes longer.
  const isSmall = await until(() => drive.residentBytes() < IDLE_BYTES, 1000)
  const about = `idle ${Math.round(drive.residentBytes() / MIB)} MiB`
  t.log(`${about} after ${Math.round((performance.now() - began) / 1000)} s`)
  t.true(isSmall, about)
}

/** Peak resident memory of the running daemon. */
function peak(t: ExecutionContext, drive: TestDrive): void {
  const status = readFileSync(`/proc/${drive.daemonPid()}/status`, 'latin1')
  const bytes = Number(/VmHWM:\s+(\d+)/.exec(status)![1]) * 1024
  t.log(`peak ${Math.round(bytes / MIB)} MiB`)
  t.true(bytes < PEAK_BYTES, `peak ${Math.round(bytes / MIB)} MiB`)
}
