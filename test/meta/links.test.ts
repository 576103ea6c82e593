import test from 'ava'
import { existsSync } from 'node:fs'
import { posix } from 'node:path'
import { filesBelow, projectRoot, readDoc } from '../support/sources.js'

const pages = [
  ...filesBelow('docs', ['.md']),
  ...['README.md', 'CHANGELOG.md', 'test/README.md'].flatMap((path) =>
    exists(path) ? [{ path, text: readDoc(path) }] : [],
  ),
]

function exists(path: string): boolean {
  return existsSync(posix.join(projectRoot, path))
}

/** Targets of relative links, as paths of the checkout. */
function linksOf({ path, text }: { readonly path: string; readonly text: string }): string[] {
  return [...text.matchAll(/\]\(([^)\s#]+)(?:#[^)]*)?\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => posix.join(posix.dirname(path), target))
}

/** Paths of our own files and folders, as prose names them. A file may be named without its ending. */
function pathsOf(text: string): string[] {
  return [...text.matchAll(/(?<![\w/.-])(?:src|test|bench|native|systemd)\/[\w./-]*\w/g)].map(([path]) => path)
}

test('every link between pages and to the source leads to a file', (t) => {
  const links = pages.flatMap((page) => linksOf(page).map((target) => ({ from: page.path, target })))
  t.true(links.length > 50)
  t.deepEqual(
    links.filter(({ target }) => !exists(target)),
    [],
  )
})

test('every source path that a page names exists', (t) => {
  const named = pages.flatMap(({ path, text }) => pathsOf(text).map((target) => ({ from: path, target })))
  t.true(named.length > 50)
  t.deepEqual(
    named.filter(({ target }) => !exists(target) && !exists(`${target}.ts`)),
    [],
  )
})

test('the walks through a write, a read and a publish link to at least five files each', (t) => {
  const architecture = readDoc('docs/ARCHITECTURE.md')
  for (const walk of ['One write', 'One read', 'One publish']) {
    const section = architecture.split('\n## ').find((part) => part.startsWith(walk))
    t.true(linksOf({ path: 'docs/ARCHITECTURE.md', text: section ?? '' }).length >= 5, walk)
  }
})
