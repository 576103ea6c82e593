/**
 * The layer table as an ESLint rule: the allowed imports of each module, and the reason. docs/ARCHITECTURE.md describes
 * the same layers, and a meta test compares the two. `type` imports count, because a layer also limits the names one
 * has to know.
 */
import { posix, relative } from 'node:path'

const LAYERS = {
  base: { may: [], why: 'everything stands on it, so it stands on nothing' },
  platform: { may: ['base'], why: 'it knows this machine and nothing of drives' },
  crypto: {
    may: ['base', 'platform'],
    why: 'keys and ciphers can be checked alone; the native core is the only machine they need',
  },
  model: { may: ['base'], why: 'what a file is, once, for all who know files' },
  dag: { may: ['base', 'model', 'crypto'], why: 'blocks are pure: no disk, no network, no local tables' },
  'storage/kv': { may: ['base', 'platform'], why: 'rows are bytes to it' },
  'storage/segments': { may: ['base', 'platform'], why: 'pipeline threads load it, and blocks are bytes to it' },
  'storage/blocks': {
    may: ['base', 'platform', 'storage/kv', 'storage/segments'],
    why: 'it keeps sealed blocks and cannot open them',
  },
  'tree-state': { may: ['base', 'model', 'storage/kv'], why: 'a schema that vfs and sync share belongs to neither' },
  pipeline: {
    may: ['base', 'platform', 'crypto', 'storage/segments'],
    why: 'its threads load in milliseconds: no LMDB, no tree, no network',
  },
  node: {
    may: ['base', 'platform', 'dag', 'storage/kv', 'storage/segments'],
    why: 'a node sees sealed blocks and signed records, never keys',
  },
  vfs: {
    may: ['base', 'platform', 'model', 'storage/kv', 'storage/blocks', 'tree-state', 'pipeline'],
    why: 'the tree answers without a network; what is elsewhere comes through RemoteSource',
  },
  commits: {
    may: ['base', 'model', 'crypto', 'dag', 'storage/kv', 'tree-state'],
    why: 'a version follows from a view of the tree and the version before: no node, no pipeline, no schedule',
  },
  sync: {
    may: [
      'base',
      'platform',
      'model',
      'crypto',
      'dag',
      'commits',
      'storage/kv',
      'storage/blocks',
      'tree-state',
      'pipeline',
      'node',
    ],
    why: 'it reads the tree through tree-state and changes it through DrivePort only',
  },
  files: { may: ['base', 'vfs'], why: 'access by path and id is one more client of the tree' },
  fuse: {
    may: ['base', 'platform', 'model', 'vfs', 'files'],
    why: 'the kernel is one client of the tree among others',
  },
  api: {
    may: ['files', 'base', 'vfs', 'sync', 'node', 'tree-state'],
    why: 'it names what clients see; the command line loads it',
  },
  daemon: {
    may: [
      'base',
      'platform',
      'model',
      'crypto',
      'dag',
      'storage/kv',
      'storage/segments',
      'storage/blocks',
      'tree-state',
      'commits',
      'pipeline',
      'node',
      'vfs',
      'sync',
      'files',
      'fuse',
      'api',
    ],
    why: 'it wires all parts, and nobody imports it',
  },
  cli: { may: ['base', 'platform', 'api'], why: 'a command starts fast and asks the daemon' },
}

/**
 * `thread.js` and `client.js` are small parts of a module: for threads that start often, and for callers in other
 * threads.
 */
const DOORS = ['index.js', 'thread.js', 'client.js']

/** `storage` is three modules; every other folder of src is one. @param path relative to the checkout, with `/` */
function moduleOf(path) {
  const [, first = '', second = ''] = path.split('/')
  return first === 'storage' ? `${first}/${second}` : first
}

function problemOf(from, target) {
  const own = moduleOf(from)
  const resolved = posix.join(posix.dirname(from), target)
  if (!resolved.startsWith('src/')) return `Product code does not import ${resolved}.`
  const other = moduleOf(resolved)
  if (other === own) return undefined
  const layer = LAYERS[own]
  if (layer === undefined) return `${own} is not in the layer table (test/meta/layer-rule.mjs).`
  if (!layer.may.includes(other)) return `${own} may not import ${other}: ${layer.why}.`
  if (!DOORS.includes(resolved.slice(`src/${other}/`.length)))
    return `Import ${other} through its index.js, thread.js or client.js.`
  return undefined
}

const layers = {
  meta: { type: 'problem', schema: [] },
  create(context) {
    const from = relative(context.cwd, context.filename).replaceAll('\\', '/')
    const check = (node) => {
      const target = node.source?.value
      if (typeof target !== 'string' || !target.startsWith('.')) return
      const message = problemOf(from, target)
      if (message !== undefined) context.report({ node, message })
    }
    return {
      ImportDeclaration: check,
      ImportExpression: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
    }
  },
}

export { LAYERS, moduleOf, problemOf }
export const dagdrive = { rules: { layers } }
