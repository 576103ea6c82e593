import test from 'ava'
import { execFileSync } from 'node:child_process'
import { posix } from 'node:path'
import { filesBelow, isTest, projectRoot, readDoc } from '../support/sources.js'

interface Manifest {
  readonly files: readonly string[]
  readonly scripts: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

/** Tools that no file imports: scripts run them, or other tools load them. */
const TOOLS = ['@types/node', 'eslint', 'prettier', 'typescript']
/** Not a dependency on purpose: installed by hand, and the product works without it. */
const BY_HAND = ['fuse-native']
/** In src and not in the package, because no product file imports it yet (docs/decisions/120). */
const NOT_SHIPPED = 'src/commits/diff/'

const manifest = JSON.parse(readDoc('package.json')) as Manifest
const product = filesBelow('src', ['.ts']).filter(({ path }) => !isTest(path))
const others = [
  ...filesBelow('src', ['.ts']).filter(({ path }) => isTest(path)),
  ...filesBelow('test', ['.ts', '.mjs']),
  ...filesBelow('bench', ['.ts']),
  { path: 'eslint.config.js', text: readDoc('eslint.config.js') },
]

/** Packages that a text imports, by any kind of import. */
function packagesIn(text: string): string[] {
  const found = text.matchAll(/(?:from|import|import\(|require\()\s*'((?:@[\w.-]+\/)?[\w][\w.-]*)[^']*'/g)
  return [...found].map(([, name = '']) => name).filter((name) => name !== 'node')
}

const importedBy = (files: readonly { readonly text: string }[]): Set<string> =>
  new Set(files.flatMap(({ text }) => packagesIn(text)))

/** The files that npm would pack, without running a script. */
function packed(): string[] {
  const answer = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: projectRoot,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 16 * 1024 * 1024,
  })
  const [report] = JSON.parse(answer) as [{ readonly files: readonly { readonly path: string }[] }]
  return report.files.map(({ path }) => path)
}

test('every dependency is imported by a product file, and every import of the product is a dependency', (t) => {
  const used = importedBy(product)
  t.deepEqual(
    Object.keys(manifest.dependencies).filter((name) => !used.has(name)),
    [],
  )
  t.deepEqual(
    [...used].filter((name) => !(name in manifest.dependencies) && !BY_HAND.includes(name)),
    [],
  )
})

test('every development dependency is imported by a test or benchmark, or is a tool', (t) => {
  const used = importedBy(others)
  const unused = Object.keys(manifest.devDependencies).filter((name) => !used.has(name) && !TOOLS.includes(name))
  t.deepEqual(unused, [])
})

test('the package has every product file and no test', (t) => {
  const files = new Set(packed())
  t.true(files.size > 300)
  const tests = [...files].filter((path) =>
    /\.(test|suite)\.js$|^dist\/(test|bench)\/|^(test|bench|fixtures)\//.test(path),
  )
  t.deepEqual(tests, [])
  const shipped = product.filter(({ path }) => !path.startsWith(NOT_SHIPPED))
  t.deepEqual(
    shipped.map(({ path }) => `dist/${path.replace(/\.ts$/, '.js')}`).filter((path) => !files.has(path)),
    [],
  )
  for (const name of ['binding.gyp', 'native/install.mjs', 'native/seal.c', 'docs/CLI.md'])
    t.true(files.has(name), name)
})

test('no shipped file imports one that is not shipped', (t) => {
  const wrong = product.flatMap(({ path, text }) =>
    path.startsWith(NOT_SHIPPED)
      ? []
      : [...text.matchAll(/'(\.[^']*)\.js'/g)]
          .map(([, target = '']) => posix.join(posix.dirname(path), target))
          .filter((target) => target.startsWith(NOT_SHIPPED))
          .map((target) => `${path} ${target}`),
  )
  t.deepEqual(wrong, [])
})

test('packages are found in every kind of import', (t) => {
  const text = "import a from 'one'\nimport '@two/a/b.js'\nconst b = await import('three')\nimport c from './own.js'"
  t.deepEqual(packagesIn(text), ['one', '@two/a', 'three'])
})
