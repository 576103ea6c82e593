import test from 'ava'
import { filesBelow, isTest } from '../support/sources.js'

const EXPORT = /^export (?:async )?(?:abstract )?(?:function\*?|class|const|let|interface|type|enum) (\w+)/gm

test('an exported name has one meaning in the whole of src', (t) => {
  const homes = new Map<string, Set<string>>()
  for (const { path, text } of filesBelow('src', ['.ts']).filter(({ path }) => !isTest(path))) {
    for (const [, name = ''] of text.matchAll(EXPORT)) homes.set(name, (homes.get(name) ?? new Set()).add(path))
  }
  t.true(homes.size > 500)
  t.deepEqual(
    [...homes].filter(([, files]) => files.size > 1).map(([name, files]) => `${name}: ${[...files].join(', ')}`),
    [],
  )
})
