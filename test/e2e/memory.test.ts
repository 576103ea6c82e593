import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { GIB, MIB, sleep } from '../../src/base/index.js'
import { testWhere } from '../support/available.js'
import { program, programLater, temporaryFolder, testDrive } from '../support/drive.js'
import { until } from '../support/until.js'
import { makeBigFile } from '../support/workload.js'

const COPY_GIB = 4

testWhere('fuse')(
  `S-005 R-73 copying ${COPY_GIB} GiB keeps the daemon under 400 MiB; an idle one is under 150 MiB`,
  async (t: ExecutionContext) => {
    t.timeout(15 * 60_000)
    const folder = temporaryFolder(t, 'memory')
    const drive = testDrive(t)
    await drive.up(['--node', `file://${join(folder, 'node')}`, '--phrase-out', join(folder, 'phrase')])
    t.true(await until(() => drive.residentBytes() < 150 * MIB, 1000), 'idle memory')
    t.log(`idle ${Math.round(drive.residentBytes() / MIB)} MiB`)

    makeBigFile(join(folder, 'big'), GIB, 'memory')
    let peak = 0
    for (let part = 0; part < COPY_GIB; part++) {
      const copy = programLater(
        'sh',
        ['-c', `{ printf ${part}; cat "$1"; } > part-${part}`, 'sh', join(folder, 'big')],
        drive.mountpoint,
      )
      let running = true
      void copy.done.finally(() => (running = false))
      while (running) {
        peak = Math.max(peak, drive.residentBytes())
        await sleep(50)
      }
      t.is(await copy.done, 0)
    }
    const drain = drive.must(['sync'], 600_000)
    let draining = true
    void drain.finally(() => (draining = false))
    while (draining) {
      peak = Math.max(peak, drive.residentBytes())
      await sleep(50)
    }
    await drain
    program('sh', ['-c', 'cat part-* > /dev/null'], { cwd: drive.mountpoint, timeoutMs: 300_000 })
    peak = Math.max(peak, drive.residentBytes())
    t.log(`peak ${Math.round(peak / MIB)} MiB`)
    t.true(peak < 400 * MIB, `peak ${Math.round(peak / MIB)} MiB`)
  },
)
