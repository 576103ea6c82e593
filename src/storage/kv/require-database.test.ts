import test from 'ava'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { silentLog } from '../../base/index.js'
import { scratchDirectory } from '../../../test/support/storage/storage.js'
import { openEnvironment } from './environment.js'
import { be64 } from './key-integers.js'

const DAMAGES: Readonly<Record<string, (file: string) => void>> = {
  zeros: (file) => writeFileSync(file, Buffer.alloc(readFileSync(file).length)),
  garbage: (file) => writeFileSync(file, Buffer.alloc(readFileSync(file).length, 0xa5)),
  empty: (file) => truncateSync(file, 0),
  'cut off in the header': (file) => truncateSync(file, 100),
  'cut off after the headers': (file) => truncateSync(file, 8192),
  'cut off before its roots': (file) => truncateSync(file, 3 * 4096),
}

for (const [damage, apply] of Object.entries(DAMAGES)) {
  test(`S-138 a damaged environment is refused and does not end the process: ${damage}`, async (t) => {
    const scratch = scratchDirectory()
    const { path } = scratch
    t.teardown(() => scratch.remove())
    await fill(path)
    const file = join(path, 'data.mdb')
    const whole = readFileSync(file)
    apply(file)
    const error = t.throws(() => openEnvironment({ path, log: silentLog }), { message: /not a whole database/ })
    t.like(error, { code: 'CORRUPT' })
    writeFileSync(file, whole)
    const again = openEnvironment({ path, log: silentLog })
    t.deepEqual(again.table('rows').get(be64(7)), Buffer.alloc(3000, 7))
    await again.close()
  })
}

async function fill(path: string): Promise<void> {
  const environment = openEnvironment({ path, log: silentLog })
  const table = environment.table('rows')
  for (let i = 0; i < 200; i++) table.put(be64(i), Buffer.alloc(3000, i))
  await environment.commit()
  await environment.close()
}
