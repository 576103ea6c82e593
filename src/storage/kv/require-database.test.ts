import test from 'ava'
import {
  existsSync,
  ftruncateSync,
  lstatSync,
  openSync,
  closeSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { silentLog } from '../../base/index.js'
import { testWhere } from '../../../test/support/available.js'
import { program } from '../../../test/support/drive.js'
import { FILL_DISK, smallDisk } from '../../../test/support/small-disk.js'
import { putObstacle } from '../../../test/support/not-a-file.js'
import { scratchDirectory } from '../../../test/support/storage/storage.js'
import { requireKnownFormat } from './environment-format.js'
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

testWhere('root')('S-176 on a full disk a database is made whole or not at all, however little is free', async (t) => {
  const scratch = scratchDirectory()
  t.teardown(() => scratch.remove())
  smallDisk(t, scratch.path, 1)
  const filler = join(scratch.path, 'filler')
  const path = join(scratch.path, 'environment')
  for (let pages = 0; pages < 8; pages++) {
    program('python3', ['-c', FILL_DISK, filler])
    const file = openSync(filler, 'r+')
    ftruncateSync(file, lstatSync(filler).size - pages * 4096)
    closeSync(file)
    t.throws(() => openEnvironment({ path, log: silentLog }), { code: 'NO_SPACE' }, `${pages} pages`)
    await requireKnownFormat(path)
    t.false(existsSync(join(path, 'data.mdb')))
    rmSync(filler)
  }
  await fill(path)
  const again = openEnvironment({ path, log: silentLog })
  t.deepEqual(again.table('rows').get(be64(7)), Buffer.alloc(3000, 7))
  await again.close()
})

test('S-176 a database whose making was interrupted is made anew, and only that one', async (t) => {
  const scratch = scratchDirectory()
  const { path } = scratch
  t.teardown(() => scratch.remove())
  for (const length of [0, 4096]) {
    writeFileSync(join(path, 'unfinished'), '')
    writeFileSync(join(path, 'data.mdb'), Buffer.alloc(length))
    await requireKnownFormat(path)
    await fill(path)
    t.false(existsSync(join(path, 'unfinished')))
    const again = openEnvironment({ path, log: silentLog })
    t.deepEqual(again.table('rows').get(be64(7)), Buffer.alloc(3000, 7))
    await again.close()
  }
})

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

for (const name of ['data.mdb', 'lock.mdb']) {
  test(`S-093 S-138 anything but a file in the place of ${name} is refused by its name, and nothing follows it`, async (t) => {
    const scratch = scratchDirectory()
    const { path } = scratch
    t.teardown(() => scratch.remove())
    await fill(path)
    const file = join(path, name)
    const refused = async (what: string): Promise<void> => {
      const expected = {
        code: 'ACCESS_DENIED',
        message: `${file} is not a regular file; it was not opened. Move it away.`,
      }
      t.like(
        t.throws(() => openEnvironment({ path, log: silentLog })),
        expected,
        what,
      )
      t.like(await t.throwsAsync(requireKnownFormat(path)), expected, what)
    }
    renameSync(file, `${file}-whole`)
    for (const kind of ['link', 'loop', 'directory', 'pipe', 'socket'] as const) {
      await putObstacle(t, file, kind)
      await refused(kind)
      t.false(lstatSync(file).isFile())
      rmSync(file, { recursive: true })
    }
    t.false(existsSync(`${file}-target`), 'a dangling link made nothing')
    await putObstacle(t, file, 'link')
    writeFileSync(`${file}-target`, 'of another program')
    await refused('a link to a file')
    t.is(readFileSync(`${file}-target`, 'utf8'), 'of another program')
    renameSync(`${file}-whole`, file)
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
