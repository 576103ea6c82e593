import test from 'ava'
import type { Command } from 'commander'
import { buildProgram } from '../../src/cli/program.js'
import type { Session } from '../../src/cli/session.js'
import { filesBelow, isTest, readDoc } from '../support/sources.js'

/** Not used: the commands are only listed. */
const program = buildProgram({} as Session)
const PAGES = ['README.md', 'docs/CLI.md', 'docs/NODES.md', 'docs/RECOVERY.md', 'docs/SECURITY.md', 'docs/SEMANTICS.md']

/** A command for the user: in quotes, in code, or after npx. Labels such as 'dagdrive slot v1' are in single quotes. */
const NAMED = /(?:[`"]|npx |^)dagdrive (?!key 2|v1)([a-z]+)(?: ([a-z]+))?/gm

test('every command named in messages, comments and pages exists', (t) => {
  const texts = [
    ...filesBelow('src', ['.ts']).filter(({ path }) => !isTest(path)),
    ...PAGES.map((path) => ({ path, text: readDoc(path) })),
  ]
  const missing: string[] = []
  let named = 0
  for (const { path, text } of texts) {
    for (const [whole, first = '', second] of text.matchAll(NAMED)) {
      named++
      if (!exists(first, second)) missing.push(`${path}: ${whole}`)
    }
  }
  t.true(named > 20, 'the pattern found the commands')
  t.deepEqual(missing, [])
})

function exists(first: string, second: string | undefined): boolean {
  const command = find(program, first)
  if (command === undefined) return first === 'help'
  return command.commands.length === 0 || (second !== undefined && find(command, second) !== undefined)
}

function find(parent: Command, name: string): Command | undefined {
  return parent.commands.find((each) => each.name() === name)
}
