import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { copiesFolder, copyProgram } from './copy-program.js'
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

test('S-163 copies that no daemon has marked for long are removed', async (t) => {
  const { copies } = makeProgram(t)
  const nowMs = 1e12
  const HOUR_MS = 3_600_000
  const add = (name: string, hours: number): string => {
    mkdirSync(join(copies, name), { recursive: true })
    utimesSync(join(copies, name), (nowMs - hours * HOUR_MS) / 1000, (nowMs - hours * HOUR_MS) / 1000)
    return join(copies, name)
  }
  const own = add('own', 1000)
  const used = Array.from({ length: 10 }, (_, index) => add(`used${index}`, 1))
  const [old, older] = [add('old', 3), add('older', 200)]
  await removeOldCopies(copies, own, nowMs)
  t.deepEqual(
    [own, ...used, old, older].filter((path) => !existsSync(path)).map((path) => basename(path)),
    ['old', 'older'],
  )
})
