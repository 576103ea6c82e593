import test from 'ava'
import { filesBelow, isTest } from '../support/sources.js'

/** Who may import whom (docs/ARCHITECTURE.md). `type` imports count too: a layer is also what one has to know. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  platform: ['base'],
  crypto: ['base', 'platform'],
  dag: ['base', 'crypto'],
  'storage/kv': ['base', 'platform'],
  'storage/segments': ['base', 'platform'],
  'storage/blocks': ['base', 'platform', 'storage/kv', 'storage/segments'],
  'tree-state': ['base', 'storage/kv'],
  pipeline: ['base', 'platform', 'crypto', 'storage/segments'],
  node: ['base', 'platform', 'dag', 'storage/kv', 'storage/segments'],
  vfs: ['base', 'platform', 'storage/kv', 'storage/blocks', 'tree-state', 'pipeline'],
  sync: ['base', 'platform', 'crypto', 'dag', 'storage/kv', 'storage/blocks', 'tree-state', 'pipeline', 'node'],
  fuse: ['base', 'platform', 'vfs'],
  api: ['base', 'vfs', 'sync', 'node', 'tree-state'],
  daemon: [
    'base',
    'platform',
    'crypto',
    'dag',
    'storage/kv',
    'storage/segments',
    'storage/blocks',
    'tree-state',
    'pipeline',
    'node',
    'vfs',
    'sync',
    'fuse',
    'api',
  ],
  cli: ['base', 'platform', 'api'],
}

/** `thread.js` is the light part of a module, for threads that start often. */
const DOORS = ['index.js', 'thread.js']

const IMPORT = /(?:from|import\() ?'(\.\.?\/[^']+)'/g

test('a module imports only the modules the layer table allows, and only their index, or what they have for pool threads', (t) => {
  const broken: string[] = []
  for (const { path, text } of filesBelow('src', ['.ts'])) {
    if (isTest(path)) continue
    const own = moduleOf(path)
    for (const [, target = ''] of text.matchAll(IMPORT)) {
      const resolved = new URL(target, `file:///${path}`).pathname.slice(1)
      const other = moduleOf(resolved)
      if (!resolved.startsWith('src/')) broken.push(`${path}: product code may not import ${resolved}`)
      if (!resolved.startsWith('src/') || other === own) continue
      if (!(MAY_IMPORT[own] ?? []).includes(other)) broken.push(`${path}: ${own} may not import ${other}`)
      else if (!DOORS.includes(resolved.slice(`src/${other}/`.length)))
        broken.push(`${path}: import ${other} through its index.js`)
    }
  }
  t.deepEqual(broken, [])
})

test('every module of the table exists and every folder of src is in the table', (t) => {
  const folders = new Set(filesBelow('src', ['.ts']).map(({ path }) => moduleOf(path)))
  t.deepEqual([...folders].sort(), Object.keys(MAY_IMPORT).sort())
})

/** `storage` is three modules; every other folder of src is one. */
function moduleOf(path: string): string {
  const [, first = '', second = ''] = path.split('/')
  return first === 'storage' ? `${first}/${second}` : first
}
