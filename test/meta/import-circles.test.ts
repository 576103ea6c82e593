import test from 'ava'
import { filesBelow } from '../support/sources.js'

const IMPORT = /(?:from|import\() ?'(\.\.?\/[^']+)'/g

/** The imports of each file. `type` imports count: to understand one file of a circle, one has to read all of them. */
function importsBelow(folder: string): ReadonlyMap<string, readonly string[]> {
  const imports = new Map<string, readonly string[]>()
  for (const { path, text } of filesBelow(folder, ['.ts'])) {
    const targets = [...text.matchAll(IMPORT)].map(([, target = '']) =>
      new URL(target, `file:///${path}`).pathname.slice(1).replace(/\.js$/, '.ts'),
    )
    imports.set(path, targets)
  }
  return imports
}

/** Groups of files in which each reaches every other (Tarjan's strongly connected components), without single files. */
function circlesOf(imports: ReadonlyMap<string, readonly string[]>): string[][] {
  const circles: string[][] = []
  const order = new Map<string, { index: number; low: number; onStack: boolean }>()
  const stack: string[] = []
  const visit = (file: string): { index: number; low: number; onStack: boolean } => {
    const node = { index: order.size, low: order.size, onStack: true }
    order.set(file, node)
    stack.push(file)
    for (const target of imports.get(file) ?? []) {
      if (!imports.has(target)) continue
      const known = order.get(target)
      if (known === undefined) node.low = Math.min(node.low, visit(target).low)
      else if (known.onStack) node.low = Math.min(node.low, known.index)
    }
    if (node.low === node.index) {
      const circle = stack.splice(stack.indexOf(file))
      for (const member of circle) order.get(member)!.onStack = false
      if (circle.length > 1) circles.push(circle.sort())
    }
    return node
  }
  for (const file of imports.keys()) if (!order.has(file)) visit(file)
  return circles
}

test('src has no import circles', (t) => {
  const imports = importsBelow('src')
  t.true(imports.size > 100)
  t.deepEqual(circlesOf(imports), [])
})
