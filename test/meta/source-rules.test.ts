import test from 'ava'
import { filesBelow, isTest } from '../support/sources.js'

const sources = [...filesBelow('src', ['.ts']), ...filesBelow('native', ['.c', '.h', '.mjs'])]
const production = sources.filter(({ path }) => !isTest(path))

/** Constructs that are allowed only in one place. Each rule prevents a mistake of our own. */
const RULES: readonly { readonly what: string; readonly pattern: RegExp; readonly home: RegExp }[] = [
  { what: 'wall clock outside base/clock.ts', pattern: /\bDate\.now\(|new Date\(\)/, home: /^src\/base\/clock\.ts$/ },
  { what: 'Math.random', pattern: /\bMath\.random\(/, home: /^$/ },
  {
    what: 'console outside the command line and the installer',
    pattern: /\bconsole\./,
    home: /^(src\/cli\/|native\/install\.mjs)/,
  },
  {
    what: 'randomBytes outside base/random.ts',
    pattern: /\brandom(Bytes|FillSync|FillBytes|UUID)\(/,
    home: /^src\/base\/random\.ts$/,
  },
  { what: 'an empty catch that does not name its case', pattern: /catch\s*(\([^)]*\))?\s*\{\s*\}/, home: /^$/ },
  {
    what: 'umask changed anywhere but once at the start',
    pattern: /\bumask\((?!\))/,
    home: /^(src\/daemon\/lifecycle\/main\.ts|native\/holder(_start)?\.c)$/,
  },
  { what: 'a switched-off type check', pattern: /@ts-(ignore|nocheck)/, home: /^$/ },
]

for (const { what, pattern, home } of RULES) {
  test(`the source has no ${what}`, (t) => {
    const found = production.filter(({ path, text }) => !home.test(path) && pattern.test(text)).map(({ path }) => path)
    t.deepEqual(found, [])
  })
}

/** A longer file has a second idea. */
const MOST_LINES = 250

test('no file is longer than 250 lines', (t) => {
  const long = [...sources, ...filesBelow('test', ['.ts', '.mjs'])]
    .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
    .filter(({ lines }) => lines > MOST_LINES)
  t.deepEqual(long, [])
})

test('no folder of src has more than 25 files', (t) => {
  const counts = new Map<string, number>()
  for (const { path } of filesBelow('src', ['.ts'])) {
    const folder = path.slice(0, path.lastIndexOf('/'))
    counts.set(folder, (counts.get(folder) ?? 0) + 1)
  }
  t.deepEqual(
    [...counts].filter(([, count]) => count > 25),
    [],
  )
})

test('no line of a comment is wider than 120 columns', (t) => {
  const all = [...sources, ...filesBelow('test', ['.ts', '.mjs']), ...filesBelow('bench', ['.ts'])]
  const wide = all.flatMap(({ path, text }) =>
    text
      .split('\n')
      .map((line, index) => ({ line, at: `${path}:${index + 1}` }))
      .filter(({ line }) => line.length > 120 && /^\s*(\*|\/\/|\/\*)/.test(line))
      .map(({ at }) => at),
  )
  t.deepEqual(wide, [])
})

test('every source file states its purpose before its first line of code', (t) => {
  const silent = production
    .filter(({ path }) => path.endsWith('.ts') && !path.endsWith('/index.ts'))
    .filter(
      ({ text }) =>
        !/^(#!.*\n)?\s*(\/\*\*|\/\/|import[\s\S]*?\n\/\*\*|import[\s\S]*?\n\/\/)/.test(text) && !text.includes('/**'),
    )
    .map(({ path }) => path)
  t.deepEqual(silent, [])
})

test('no test is skipped or marked as only', (t) => {
  const found = [...filesBelow('src', ['.ts']), ...filesBelow('test', ['.ts'])]
    .filter(({ path }) => !path.startsWith('test/support/') && !path.startsWith('test/meta/'))
    .filter(({ text }) => /\btest\.(only|failing|todo)\(/.test(text))
    .map(({ path }) => path)
  t.deepEqual(found, [])
})
