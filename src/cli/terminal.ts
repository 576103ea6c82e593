/** Terminal input and output: results, questions and progress. Only this file handles TTYs. */
import type { TransferProgress } from '../api/index.js'
import { DriveError, jsonLine, printable, printableLines } from '../base/index.js'
import { withCommand } from './called-as.js'
import { formatBytes, formatDuration } from './format.js'

export interface Terminal {
  /** Results, on standard output. */
  print(text: string): void
  /** Everything else, on standard error. */
  note(text: string): void
  /** A result or an error for programs, as one line of JSON. */
  printJson(value: unknown): void
  noteJson(value: unknown): void
  /** Replaces the last progress line; silent where standard error is no terminal. */
  progress(what: TransferProgress): void
  /** Like `progress`, for other work. */
  status(text: string): void
  endProgress(): void
  /** Reads a line without echo. Throws `otherwise` if there is no terminal. */
  askSecret(question: string, otherwise: DriveError): Promise<string>
}

export function openTerminal(): Terminal {
  let shown = false
  // A reader such as `head` may close the pipe early. The remaining output is dropped without an error.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
  }
  const endProgress = (): void => {
    if (shown) process.stderr.write('\r\u001b[K')
    shown = false
  }
  const status = (text: string): void => {
    if (!process.stderr.isTTY) return
    process.stderr.write(`\r\u001b[K${printable(text).slice(0, (process.stderr.columns || 80) - 1)}`)
    shown = true
  }
  const write = (stream: NodeJS.WriteStream, text: string): void => {
    endProgress()
    stream.write(`${text}\n`)
  }
  const forPeople = (text: string): string => printableLines(withCommand(text).split('\n'))
  return {
    print: (text) => write(process.stdout, forPeople(text)),
    note: (text) => write(process.stderr, forPeople(text)),
    printJson: (value) => write(process.stdout, jsonLine(value)),
    noteJson: (value) => write(process.stderr, jsonLine(value)),
    progress: (what) => status(progressLine(what)),
    status,
    endProgress,
    askSecret,
  }
}

/** One line that describes a transfer, with the time left if it is known. */
export function progressLine(what: TransferProgress): string {
  const parts: string[] = [what.phase === 'restoring' ? 'sending again what the node has lost' : what.phase]
  if (what.totalBytes > 0) {
    const share = Math.floor((100 * Math.min(what.doneBytes, what.totalBytes)) / what.totalBytes)
    parts.push(`${formatBytes(what.doneBytes)} of ${formatBytes(what.totalBytes)} (${share}%)`)
  }
  if (what.remainingMs !== undefined) parts.push(`${formatDuration(what.remainingMs)} left`)
  if (what.lastError !== undefined) parts.push(what.lastError)
  return parts.join(' · ')
}

async function askSecret(question: string, otherwise: DriveError): Promise<string> {
  const { stdin, stderr } = process
  if (!stdin.isTTY) throw otherwise
  stderr.write(question)
  stdin.setRawMode(true)
  stdin.setEncoding('utf8')
  try {
    let typed = ''
    for await (const chunk of stdin as AsyncIterable<string>) {
      for (const character of chunk) {
        if (character === '\r' || character === '\n') return typed
        if (character === '\u0003' || character === '\u0004') throw new DriveError('ABORTED', 'Cancelled.')
        if (character === '\u007f' || character === '\b') typed = [...typed].slice(0, -1).join('')
        else typed += character
      }
    }
    return typed
  } finally {
    if (!stdin.destroyed) stdin.setRawMode(false)
    stdin.destroy()
    stderr.write('\n')
  }
}
