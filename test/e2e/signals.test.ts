import type { ExecutionContext } from 'ava'
import { testWhere } from '../support/available.js'
import { callers, CallersDrives, runAs } from '../support/callers.js'
import { compiled } from '../support/compile.js'

const test = testWhere('fuse', 'root', 'gcc')
const drives = new CallersDrives()

if ('before' in test) {
  test.before('mount two drives', () => drives.open())
  test.after.always('unmount them', () => drives.close())
}

const COMMITS = `
import os, signal, sqlite3, sys
os.chdir(sys.argv[1])
seen = []
signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
base = sqlite3.connect('base'); base.execute('pragma journal_mode=' + sys.argv[2]); base.execute('pragma synchronous=full')
base.execute('create table t(a, b)')
for i in range(100):
    base.execute('insert into t values (?, ?)', (i, 'x' * 500)); base.commit()
signal.setitimer(signal.ITIMER_REAL, 0)
print(base.execute('select count(*) from t').fetchone()[0], base.execute('pragma integrity_check').fetchone()[0], len(seen) > 20)
`

for (const caller of callers) {
  test(`S-056 no call on a file returns EINTR for a handled signal: ${caller.name}`, (t: ExecutionContext) => {
    const { mounted, plain } = drives.folders(t, caller)
    const program = compiled(t, 'interrupted')
    for (const folder of [plain, mounted]) t.is(runAs(caller, [program, folder, '2', '2000']), 'EINTR 0\n')
  })

  for (const mode of ['wal', 'delete']) {
    test(`S-056 SQLite (${mode}) commits under a 2 ms timer: ${caller.name}`, (t: ExecutionContext) => {
      const { mounted } = drives.folders(t, caller)
      t.is(runAs(caller, ['python3', '-c', COMMITS, mounted, mode]), '100 ok True\n')
    })
  }
}
