import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test from 'ava'
import { filesBelow, projectRoot, readDoc } from '../support/sources.js'

type Layers = Readonly<Record<string, { readonly may: readonly string[]; readonly why: string }>>

/** The table is an ESLint rule; lint checks the imports themselves. */
const rule = pathToFileURL(join(projectRoot, 'test/meta/layer-rule.mjs')).href
const { LAYERS, problemOf, moduleOf } = (await import(rule)) as {
  LAYERS: Layers
  problemOf: (from: string, target: string) => string | undefined
  moduleOf: (path: string) => string
}

test('every module of the layer table exists and every folder of src is in the table', (t) => {
  const folders = new Set(filesBelow('src', ['.ts']).map(({ path }) => moduleOf(path)))
  t.deepEqual([...folders].sort(), Object.keys(LAYERS).sort())
})

test('docs/ARCHITECTURE.md has the same layers as the rule', (t) => {
  const rows = new Map(
    [...readDoc('docs/ARCHITECTURE.md').matchAll(/^\| ([a-z/-]+) \| .* \| ([^|]*) \|$/gm)].map(
      ([, name = '', may = '']) => [name, may] as const,
    ),
  )
  for (const [name, { may, why }] of Object.entries(LAYERS)) {
    t.true(why.length > 0)
    const row = rows.get(name) ?? ''
    const said = row === '-' ? [] : row.startsWith('all but') ? may : row.split(', ')
    t.deepEqual([...said].sort(), [...may].sort(), name)
  }
})

test('the layer rule detects a forbidden import, an import that bypasses index.js, and test code in the product', (t) => {
  t.is(problemOf('src/vfs/tree.ts', '../base/index.js'), undefined)
  t.is(problemOf('src/vfs/content/read.ts', '../inodes/inode.js'), undefined)
  t.regex(problemOf('src/dag/cid.ts', '../vfs/index.js') ?? '', /may not import vfs/)
  t.regex(problemOf('src/vfs/tree.ts', '../storage/kv/overlay.js') ?? '', /index\.js/)
  t.regex(problemOf('src/vfs/tree.ts', '../../test/support/drive.js') ?? '', /Product code/)
})
