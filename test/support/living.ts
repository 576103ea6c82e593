/** A program that works on a drive until it is told to stop, checks everything it did, and reports. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { projectRoot } from './sources.js'

const LIVING = join(projectRoot, 'fixtures/programs/living.py')

/** The report that a program prints at its end. */
export interface ProgramOutcome {
  readonly kind: string
  readonly operations: number
  readonly errors: readonly string[]
  readonly longestMs: number
}

export interface LivingProgram {
  readonly kind: 'append' | 'read' | 'list' | 'git' | 'sqlite' | 'unlinked'
  /** On the drive. */
  readonly directory: string
  /** It works until this file exists. */
  readonly stop: string
  /** Precedes the name of the program, to run it as another user. */
  readonly prefix?: readonly string[] | undefined
}

/** Resolves when it has ended. Rejects only if it did not reach its end. */
export function runLiving({ kind, directory, stop, prefix = [] }: LivingProgram): Promise<ProgramOutcome> {
  const [command, ...words] = [...prefix, 'python3', LIVING, kind, directory, stop]
  return new Promise((resolve, reject) => {
    const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (piece: string) => (output += piece))
    child.on('error', reject).on('close', (code) => {
      if (code === 0) resolve(JSON.parse(output) as ProgramOutcome)
      else reject(new Error(`${words.join(' ')} ended with ${code}`))
    })
  })
}
