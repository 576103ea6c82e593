import test from 'ava'
import { DRIVE_ERRORS } from '../../src/base/index.js'
import { filesBelow, readDoc } from '../support/sources.js'

test('docs/CLI.md has the exit status and meaning of every error code', (t) => {
  const page = readDoc('docs/CLI.md')
  t.deepEqual(
    Object.keys(DRIVE_ERRORS).filter((code) => !page.includes(`\`${code}\``)),
    [],
  )
})

test('every command-line flag is in docs/CLI.md', (t) => {
  const page = readDoc('docs/CLI.md')
  const flags = new Set<string>()
  for (const { path, text } of filesBelow('src/cli', ['.ts'])) {
    if (path.endsWith('.test.ts')) continue
    for (const [flag] of text.matchAll(/--[a-z][a-z-]+(?=[ '",<])/g)) flags.add(flag)
  }
  t.true(flags.size > 10, 'the pattern found the flags')
  t.deepEqual(
    [...flags].filter((flag) => !page.includes(flag)),
    [],
  )
})

test('every numbered promise in docs/SEMANTICS.md is named by a test', (t) => {
  const promised = new Set(readDoc('docs/SEMANTICS.md').match(/\bS-\d{3}\b/g) ?? [])
  const tests = [...filesBelow('src', ['.test.ts']), ...filesBelow('test', ['.ts'])].map(({ text }) => text).join('\n')
  const named = new Set(tests.match(/\bS-\d{3}\b/g) ?? [])
  t.true(promised.size > 0)
  t.deepEqual(
    [...promised].filter((clause) => !named.has(clause)),
    [],
  )
  t.deepEqual(
    [...named].filter((clause) => !promised.has(clause)),
    [],
  )
})

test('every requirement number is named by a test or listed as open in docs/STATUS.md', (t) => {
  const tests = [...filesBelow('src', ['.test.ts']), ...filesBelow('test', ['.ts']), ...filesBelow('bench', ['.ts'])]
  const named = new Set(tests.flatMap(({ text }) => text.match(/\bR-\d\d\b/g) ?? []))
  const status = new Set(readDoc('docs/STATUS.md').match(/\bR-\d\d\b/g) ?? [])
  const all = [...groups()]
  t.deepEqual(
    all.filter((number) => !named.has(number) && !status.has(number)),
    [],
  )
})

/** The requirement numbers of the product: R-01 … R-77, with the gaps between the groups. */
function* groups(): Generator<string> {
  const last: Readonly<Record<number, number>> = { 0: 6, 1: 6, 2: 7, 3: 5, 4: 6, 5: 3, 6: 6, 7: 7 }
  for (const [tens, end] of Object.entries(last)) {
    for (let unit = tens === '0' ? 1 : 0; unit <= end; unit++) yield `R-${tens}${unit}`
  }
}
