/** Compares a tree with the log of fixtures/programs/durable_writer.py: every acknowledged operation must be there. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const PAGE_BYTES = 4096

interface Versioned {
  readonly version: number
  readonly hash: string
}

/** For each name: the last acknowledged state, and every later state that may have replaced it. */
export class Manifest {
  private readonly files = new Map<string, Versioned[]>()
  private readonly pages = new Map<number, number>()
  private readonly lines: { readonly version: number; readonly hash: string; acknowledged: boolean }[] = []
  acknowledged = 0

  /** Adds the log of one run of the writer. */
  add(log: string): void {
    for (const line of log.split('\n')) {
      const [state, kind, name = '', versionText, hash = ''] = line.split(' ')
      const version = Number(versionText)
      if (state === 'ack') this.acknowledged++
      if (kind === 'file' || kind === 'gone') this.addFile(state === 'ack', name, { version, hash })
      else if (kind === 'page' && state === 'ack')
        this.pages.set(Number(name), Math.max(version, this.pages.get(Number(name)) ?? 0))
      else if (kind === 'log') this.addLine(state === 'ack', { version, hash })
    }
  }

  /**
   * @returns descriptions of lost or wrong content below `top`; empty if there is none. Reads synchronously, so not for
   * the serving process
   */
  problems(top: string): string[] {
    return [...this.fileProblems(top), ...this.pageProblems(top), ...this.lineProblems(top)]
  }

  /** Treats the state found after a crash as acknowledged, because the next run continues from it. */
  settle(top: string): void {
    for (const [name, states] of this.files) {
      const hash = hashOf(join(top, name))
      this.files.set(name, [states.findLast((state) => state.hash === hash) ?? states[0]!])
    }
    const found = new Set(logLines(top).map((line) => sha256(`${line}\n`)))
    for (let i = this.lines.length - 1; i >= 0; i--) {
      if (!found.has(this.lines[i]!.hash)) this.lines.splice(i, 1)
      else this.lines[i]!.acknowledged = true
    }
  }

  private addFile(isAcknowledged: boolean, name: string, state: Versioned): void {
    const states = this.files.get(name) ?? [{ version: -1, hash: '-' }]
    this.files.set(name, isAcknowledged ? [state] : [...states, state])
  }

  private addLine(isAcknowledged: boolean, { version, hash }: Versioned): void {
    if (!isAcknowledged) this.lines.push({ version, hash, acknowledged: false })
    else this.lines.find((line) => line.version === version && line.hash === hash)!.acknowledged = true
  }

  private fileProblems(top: string): string[] {
    return [...this.files].flatMap(([name, states]) => {
      const hash = hashOf(join(top, name))
      return states.some((state) => state.hash === hash)
        ? []
        : [
            `${name}: acknowledged version ${states[0]!.version} is lost (${hash === '-' ? 'no file' : 'other content'})`,
          ]
    })
  }

  private pageProblems(top: string): string[] {
    const path = join(top, 'database')
    if (!existsSync(path)) return this.pages.size > 0 ? ['database: lost'] : []
    const bytes = readFileSync(path)
    return [...this.pages].flatMap(([number, version]) => {
      const page = bytes.subarray(number * PAGE_BYTES, (number + 1) * PAGE_BYTES)
      if (page.length < PAGE_BYTES) return [`database page ${number}: beyond the end`]
      const digest = createHash('sha256')
        .update(page.subarray(0, PAGE_BYTES - 32))
        .digest()
      if (!digest.equals(page.subarray(PAGE_BYTES - 32))) return [`database page ${number}: torn`]
      if (Number(page.readBigUInt64LE(0)) !== number) return [`database page ${number}: another page's bytes`]
      const found = Number(page.readBigUInt64LE(8))
      return found >= version ? [] : [`database page ${number}: version ${found}, acknowledged ${version}`]
    })
  }

  private lineProblems(top: string): string[] {
    const found = new Set(logLines(top).map((line) => sha256(`${line}\n`)))
    return this.lines
      .filter((line) => line.acknowledged && !found.has(line.hash))
      .map((line) => `log: line ${line.version} is lost`)
  }
}

function logLines(top: string): string[] {
  const path = join(top, 'log')
  return existsSync(path) ? readFileSync(path, 'latin1').split('\n') : []
}

function hashOf(path: string): string {
  return existsSync(path) ? sha256(readFileSync(path)) : '-'
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}
