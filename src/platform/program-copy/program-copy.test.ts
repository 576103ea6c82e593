import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { copiesFolder, copyProgram } from './copy-program.js'
import { isPrivatePlace } from './is-private-place.js'
import { COPY_MARKER } from './program-files.js'
import { removeOldCopies } from './remove-old-copies.js'

/** A program with a package that two others need in different versions. */
function makeProgram(t: ExecutionContext): { root: string; copies: string } {
  const base = mkdtempSync(join(tmpdir(), 'dagdrive-program-'))
  t.teardown(() => rmSync(base, { recursive: true, force: true }))
  const root = join(base, 'program')
  const put = (name: string, text: string): void => {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), text)
  }
  const about = (needs: object): string => JSON.stringify({ version: '1.0.0', dependencies: needs })
  put('package.json', about({ one: '1', two: '1' }))
  for (const name of ['main.js', 'main.test.js', 'main.js.map']) put(`dist/src/${name}`, name)
  put('node_modules/one/package.json', about({ shared: '1' }))
  put('node_modules/shared/package.json', about({}))
  put('node_modules/shared/index.js', 'first')
  put('node_modules/two/package.json', about({ shared: '2' }))
  put('node_modules/two/node_modules/shared/package.json', about({}))
  put('node_modules/two/node_modules/shared/index.js', 'second')
  return { root, copies: join(base, 'copies') }
}

test('S-163 a copy has what the program loads, each version of a package in its place, and is made once', (t) => {
  const { root, copies } = makeProgram(t)
  const copy = copyProgram(root, copies)!
  const read = (name: string): string => readFileSync(join(copy, name), 'utf8')
  t.is(read('dist/src/main.js'), 'main.js')
  t.false(existsSync(join(copy, 'dist/src/main.test.js')))
  t.is(read('node_modules/shared/index.js'), 'first')
  t.is(read('node_modules/two/node_modules/shared/index.js'), 'second')
  t.is(copyProgram(root, copies), copy)
  writeFileSync(join(root, 'dist/src/main.js'), 'built')
  t.is(read('dist/src/main.js'), 'main.js', 'a build in place does not reach it')
  t.not(copyProgram(root, copies), copy)
})

test('S-163 without a whole program, or a folder of its own for the copy, the daemon runs in place', (t) => {
  const { root, copies } = makeProgram(t)
  const copy = copyProgram(root, copies)!
  chmodSync(copy, 0o770)
  t.is(copyProgram(root, copies), undefined, 'others may have changed it')
  rmSync(join(root, 'node_modules/one'), { recursive: true })
  t.is(copyProgram(root, copies), undefined)
  t.is(copiesFolder({ DAGDRIVE_PROGRAMS: '' }), undefined)
})

test('S-163 where another user can exchange the copy, also through a folder above it or a link, there is none', (t) => {
  const { root, copies } = makeProgram(t)
  const inside = join(copies, 'above/programs')
  t.not(copyProgram(root, inside), undefined)
  chmodSync(join(copies, 'above'), 0o777)
  t.is(copyProgram(root, inside), undefined)
  symlinkSync(inside, join(copies, 'link'))
  t.is(copyProgram(root, join(copies, 'link')), undefined)
  chmodSync(join(copies, 'above'), 0o1777)
  t.is(
    dirname(copyProgram(root, join(copies, 'link'))!),
    inside,
    'only its owner can exchange what is in such a folder',
  )
  t.is(isPrivatePlace(inside, process.geteuid!() + 1), process.geteuid!() === 0, 'of this user or of root')
})

const HOUR_MS = 3_600_000
const NOW_MS = 1e12

/** A copy that was marked some hours ago. */
function addCopy(copies: string, name: string, hours: number, marker = COPY_MARKER): string {
  const path = join(copies, name)
  mkdirSync(path, { recursive: true })
  writeFileSync(join(path, marker), '')
  utimesSync(path, (NOW_MS - hours * HOUR_MS) / 1000, (NOW_MS - hours * HOUR_MS) / 1000)
  return path
}

const nameOf = (index: number): string => index.toString(16).padStart(24, '0')

test('S-163 copies that no daemon has marked for long are removed', async (t) => {
  const { root, copies } = makeProgram(t)
  t.true(existsSync(join(copyProgram(root, copies)!, COPY_MARKER)))
  const own = addCopy(copies, nameOf(0), 1000)
  const used = Array.from({ length: 10 }, (_, index) => addCopy(copies, nameOf(index + 1), 1))
  const old = [addCopy(copies, nameOf(98), 3), addCopy(copies, nameOf(99), 200), addCopy(copies, `${nameOf(1)}.7`, 200)]
  await removeOldCopies(copies, own, NOW_MS)
  t.deepEqual(
    [own, ...used, ...old].filter((path) => !existsSync(path)),
    old,
  )
})

test('S-163 nothing but copies is removed from the folder of the copies, and no link is followed', async (t) => {
  const { root, copies } = makeProgram(t)
  addCopy(copies, 'thesis', 1000)
  addCopy(copies, nameOf(2), 1000, 'chapter')
  writeFileSync(join(copies, nameOf(3)), 'a file')
  const linked = addCopy(root, nameOf(4), 1000)
  symlinkSync(linked, join(copies, nameOf(4)))
  symlinkSync('nowhere', join(copies, nameOf(5)))
  const before = readdirSync(copies)
  await removeOldCopies(copies, join(copies, nameOf(0)), NOW_MS * 2)
  t.deepEqual(readdirSync(copies), before)
  t.true(existsSync(join(linked, COPY_MARKER)))
})

test('S-163 a copy that a process runs from is kept, however old its mark is', async (t) => {
  const { copies } = makeProgram(t)
  const [running, unused] = [addCopy(copies, randomBytes(12).toString('hex'), 1000), addCopy(copies, nameOf(2), 1000)]
  const process = spawn('sh', ['-c', 'read line', join(running, 'dist/src/main.js')], {
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  await once(process, 'spawn')
  await removeOldCopies(copies, join(copies, nameOf(0)), NOW_MS)
  t.deepEqual([running, unused].map(existsSync), [true, false])
  process.stdin.end()
  await once(process, 'exit')
  await removeOldCopies(copies, join(copies, nameOf(0)), NOW_MS)
  t.false(existsSync(running))
})
