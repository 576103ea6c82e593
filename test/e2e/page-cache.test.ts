import { join } from 'node:path'
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

for (const caller of callers) {
  test(`S-057 buffered reads see the data of asynchronous direct writes: ${caller.name}`, (t: ExecutionContext) => {
    const { mounted, plain } = drives.folders(t, caller)
    const program = compiled(t, 'stale_pages')
    for (const folder of [plain, mounted]) t.is(runAs(caller, [program, join(folder, 'file'), '3']), 'stale 0\n')
  })
}
