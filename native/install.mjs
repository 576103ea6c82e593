// Builds the native addons in the root package's install step. Without a compiler the install still succeeds: the
// JavaScript pipeline and the fuse-native transport are used, and one warning says so. With `--strict` (npm run
// build:native) it fails instead.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const strict = process.argv.includes('--strict')

/** Whether the addons are built and up to date: `npx` repeats the install step at its first use in a clone. */
function isCurrent() {
  try {
    const names = ['dagdrive_fuse.node', 'dagdrive_seal.node', 'dagdrive_holder']
    const builtMs = Math.min(...names.map((name) => statSync(join(root, 'build', 'Release', name)).mtimeMs))
    const native = readdirSync(join(root, 'native')).map((name) => join(root, 'native', name))
    return [...native, join(root, 'binding.gyp')].every((path) => statSync(path).mtimeMs < builtMs)
  } catch {
    return false // not built yet
  }
}

function nodeGyp() {
  if (process.env.npm_config_node_gyp) return process.env.npm_config_node_gyp
  const require = createRequire(join(dirname(process.execPath), '..', 'lib', 'node_modules', 'npm', 'package.json'))
  return require.resolve('node-gyp/bin/node-gyp.js')
}

/** The headers that were installed with this Node.js, so that node-gyp does not download them. */
function ownHeaders() {
  if (process.env.npm_config_nodedir) return [] // the user's choice
  const prefix = dirname(dirname(process.execPath))
  const file = join(prefix, 'include', 'node', 'node_version.h')
  if (!existsSync(file)) return []
  const version = readFileSync(file, 'utf8')
  const part = (name) => new RegExp(`#define NODE_${name}_VERSION (\\d+)`).exec(version)?.[1]
  const same = `${part('MAJOR')}.${part('MINOR')}.${part('PATCH')}` === process.versions.node
  return same ? [`--nodedir=${prefix}`] : []
}

/** The first line that names a cause, from the output of node-gyp, Python, make and the compiler. */
function cause(output) {
  if (output.includes('network connectivity')) return 'the headers of this Node.js could not be downloaded'
  const line = output.split('\n').find((each) => /(^|\s)(\w*Error|error): /.test(each))
  return line?.replace(/^gyp ERR! (stack )?/, '').trim()
}

function build() {
  if (process.platform !== 'linux') return 'the native core is built on Linux only'
  let gyp
  try {
    gyp = nodeGyp()
  } catch {
    return 'node-gyp was not found beside npm'
  }
  const done = spawnSync(process.execPath, [gyp, 'rebuild', ...ownHeaders()], {
    cwd: root,
    env: { ...process.env, npm_config_loglevel: 'error' },
    encoding: 'utf8',
    timeout: 300_000,
  })
  if (done.status === 0) return undefined
  const because = cause(`${done.stderr ?? ''}\n${done.stdout ?? ''}`)
  return because ?? (done.error === undefined ? 'the compiler failed' : String(done.error))
}

const reason = !strict && isCurrent() ? undefined : build()
if (reason !== undefined) {
  console.warn(
    `dagdrive: the native core could not be built, so the slower JavaScript fallbacks are used.\n  ${reason}\n` +
      '  To build it later: install a C compiler, make and Python 3, then run `npm run build:native`.',
  )
  if (strict) process.exit(1)
}
