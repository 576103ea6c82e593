import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { testWhere } from '../support/available.js'
import { callers, CallersDrives, runAs, type Caller } from '../support/callers.js'
import { program, temporaryFolder } from '../support/drive.js'
import { projectRoot } from '../support/sources.js'

const test = testWhere('fuse', 'root', 'postgresql', 'stressNg')
const drives = new CallersDrives()
const [root, , user] = callers as readonly [Caller, Caller, Caller]
const PGBENCH_SECONDS = process.env['DAGDRIVE_PGBENCH_SECONDS'] ?? '8'

/** These need privileges that a container lacks, or a device, or do not use files. */
const LEFT_OUT = ['bind-mount', 'binderfs', 'rawdev', 'fanotify', 'ioprio', 'eventfd', 'procfs']

if ('before' in test) {
  test.before('mount two drives', () => drives.open())
  test.after.always('unmount them', () => drives.close())
}

test('S-056 R-01 PostgreSQL works, and after a kill under load no committed transaction is lost', (t: ExecutionContext) => {
  t.timeout(10 * 60_000)
  const { mounted } = drives.folders(t, user)
  const work = temporaryFolder(t, 'postgresql')
  chmodSync(work, 0o777)
  const script = program('cat', [join(projectRoot, 'fixtures/programs/postgresql.sh')])
  const output = runAs(user, ['bash', '-s', mounted, work, PGBENCH_SECONDS], { input: script, timeoutMs: 540_000 })
  t.deepEqual(output.trim().split('\n'), ['number of failed transactions: 0 (0.000%)', 't', 't', 'Bad checksums:  0'])
})

const storms = [
  { caller: root, how: 'one after the other', args: ['--seq', '1', '--timeout', '1'] },
  { caller: user, how: 'all at once', args: ['--all', '1', '--timeout', '12'] },
] as const

for (const { caller, how, args } of storms) {
  test(`R-01 stress-ng finds no errors, ${how}: ${caller.name}`, (t: ExecutionContext) => {
    t.timeout(10 * 60_000)
    const { mounted } = drives.folders(t, caller)
    // A relative path: with an absolute one its io-uring stressor fails on every file system.
    const common = ['--verify', '--oomable', '--quiet', '--temp-path', '.']
    const classes = ['--class', 'filesystem,io', '-x', LEFT_OUT.join(',')]
    t.is(runAs(caller, ['stress-ng', ...classes, ...args, ...common], { cwd: mounted, timeoutMs: 540_000 }), '')
    t.is(program('ls', ['-A', mounted]), '')
  })
}
