import test from 'ava'
import { filesBelow, isTest } from '../support/sources.js'

/** Who may import whom (docs/ARCHITECTURE.md). `type` imports count too: a layer is also what one has to know. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  crypto: ['base'],
  dag: ['base', 'crypto'],
  store: ['base'],
  pipeline: ['base', 'crypto', 'store'],
  node: ['base', 'dag', 'store'],
  vfs: ['base', 'store', 'pipeline'],
  sync: ['base', 'crypto', 'dag', 'store', 'pipeline', 'node'],
  fuse: ['base', 'vfs'],
  api: ['base', 'vfs', 'sync', 'node'],
  daemon: ['base', 'crypto', 'dag', 'store', 'pipeline', 'node', 'vfs', 'sync', 'fuse', 'api'],
  cli: ['base', 'api'],
}

/** `thread.js` is the light part of a module, for threads that start often. */
const DOORS = ['index.js', 'thread.js']

const IMPORT = /(?:from|import\() ?'(\.\.?\/[^']+)'/g

test('a module imports only the modules the layer table allows, and only their index, or what they have for pool threads', (t) => {
  const broken: string[] = []
  for (const { path, text } of filesBelow('src', ['.ts'])) {
    if (isTest(path)) continue
    const own = path.split('/')[1] ?? ''
    for (const [, target = ''] of text.matchAll(IMPORT)) {
      const resolved = new URL(target, `file:///${path}`).pathname.slice(1).split('/')
      const other = resolved[1] ?? ''
      if (resolved[0] !== 'src' || other === own) continue
      if (!(MAY_IMPORT[own] ?? []).includes(other)) broken.push(`${path}: ${own} may not import ${other}`)
      else if (!DOORS.includes(resolved.slice(2).join('/')))
        broken.push(`${path}: import ${other} through its index.js`)
    }
  }
  t.deepEqual(broken, [])
})

test('every module of the table exists and every folder of src is in the table', (t) => {
  const folders = new Set(filesBelow('src', ['.ts']).map(({ path }) => path.split('/')[1] ?? ''))
  t.deepEqual([...folders].sort(), Object.keys(MAY_IMPORT).sort())
})
