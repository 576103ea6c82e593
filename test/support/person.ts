/** Somebody at a shell, with a home of his own and programs in his PATH, who types what is documented and printed. */
import { execFile } from 'node:child_process'
import { chmodSync, chownSync, mkdtempSync, readFileSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ExecutionContext } from 'ava'
import type { OrdinaryUser } from './ordinary-user.js'
import { projectRoot } from './sources.js'

const TIMEOUT_MS = 300_000

export interface Said {
  readonly code: number
  /** Both streams. */
  readonly text: string
}

export interface PersonOptions {
  /** A folder of programs. */
  readonly programs: string
  /** Root without it. */
  readonly user?: OrdinaryUser
}

export class Person {
  readonly home = mkdtempSync(join(tmpdir(), 'dagdrive-person-'))
  readonly #words: readonly string[]

  constructor({ programs, user }: PersonOptions) {
    chmodSync(this.home, 0o755)
    if (user !== undefined) chownSync(this.home, user.uid, user.uid)
    const path = [programs, dirname(process.execPath), '/usr/bin', '/bin'].join(':')
    this.#words = [...(user?.prefix ?? []), 'env', '-i', `HOME=${this.home}`, `PATH=${path}`, 'sh', '-c']
  }

  /** Runs a line in the home; a namespace is entered at its root. Does not throw for an exit status. */
  types(line: string): Promise<Said> {
    const [command, ...words] = this.#words
    const options = { timeout: TIMEOUT_MS, maxBuffer: 64 * 1024 * 1024 }
    return new Promise((resolve) => {
      execFile(command!, [...words, `cd && { ${line}\n} 2>&1`], options, (error, stdout) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), text: stdout }),
      )
    })
  }

  /** Runs a line that must succeed. @returns both streams */
  async must(line: string): Promise<string> {
    const { code, text } = await this.types(line)
    if (code !== 0) throw new Error(`${line}: exit ${code}\n${text}\n${this.log()}`)
    return text
  }

  /** What the daemon logged. */
  log(): string {
    const folder = join(this.home, '.local/state/dagdrive')
    try {
      return readdirSync(folder)
        .filter((name) => name.includes('.log'))
        .map((name) => readFileSync(join(folder, name), 'utf8'))
        .join('\n')
    } catch {
      return '' // no daemon has run
    }
  }
}

/** Everything that was started from the home ends with the test, and the home is removed. */
export async function personAt(t: ExecutionContext, options: PersonOptions): Promise<Person> {
  const path = pathToFileURL(join(projectRoot, 'test/run/left-behind.mjs')).href
  const { removeAll } = (await import(path)) as { removeAll: (folder: string) => void }
  const person = new Person(options)
  t.teardown(() => removeAll(person.home))
  return person
}

/** The command line that a message offers in quotes, with the words that it must have. */
export function offered(text: string, word: string): string {
  const lines = [...text.matchAll(/"([^"]+)"/g)].map(([, line]) => line!)
  const line = lines.find((each) => each.split(' ').includes(word))
  if (line === undefined) throw new Error(`no line with ${word} is offered in: ${text}`)
  return line
}
