/** Runs one case on an ordinary directory and on the mount and compares every result and errno. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot } from '../support/sources.js'
import { program } from '../support/drive.js'

/** A call of fixtures/programs/posix.py with its arguments. */
export type Step = readonly [call: string, ...arguments: (string | number)[]]

export interface Case {
  readonly name: string
  readonly steps: readonly Step[]
  /** The case uses users other than the mounting one. */
  readonly needsOthers?: boolean
}

export interface Difference {
  readonly step: Step
  readonly directory: unknown
  readonly mount: unknown
}

/** @param plain an empty ordinary directory @param mounted an empty directory on the mount @returns the differences */
export function differences(one: Case, plain: string, mounted: string): Difference[] {
  const name = one.name.replaceAll(/[^a-z0-9]+/gi, '-')
  const [expected, found] = [plain, mounted].map((top) => runSteps(one, join(top, name)))
  return one.steps
    .map((step, index) => ({ step, directory: expected![index], mount: found![index] }))
    .filter(({ directory, mount }) => JSON.stringify(directory) !== JSON.stringify(mount))
}

function runSteps(one: Case, directory: string): unknown[] {
  mkdirSync(directory)
  const output = program('python3', [join(projectRoot, 'fixtures/programs/posix.py')], {
    input: asciiJson({ directory, steps: one.steps }),
  })
  return JSON.parse(output) as unknown[]
}

/** JSON in ASCII: names can hold any bytes, and the pipe between the programs carries each byte as one character. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u0080-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
