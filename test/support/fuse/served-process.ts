/** For tests: a memory tree served by a separate process, which can be killed. */
import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import type { MountOptions } from '../../../src/fuse/contract.js'

export interface ServedProcess {
  readonly child: ChildProcess
  readonly exited: Promise<{ code: number | null; signal: string | null; errors: string }>
  say(line: 'unmount' | 'terminate' | 'exit'): void
  /** The next message with this key, or an earlier unread one. */
  message(key: string): Promise<unknown>
}

export const SERVE_PROCESS = fileURLToPath(new URL('./serve-process.js', import.meta.url))

/** Resolves when the mount answers. The process is killed after the test. */
export async function serveInProcess(
  t: ExecutionContext,
  mountpoint: string,
  options: MountOptions = {},
  command: readonly string[] = [process.execPath],
): Promise<ServedProcess> {
  const [program = process.execPath, ...before] = command
  const child = spawn(program, [...before, SERVE_PROCESS, mountpoint, JSON.stringify(options)], { stdio: 'pipe' })
  t.teardown(() => child.kill('SIGKILL'))
  const messages: Record<string, unknown>[] = []
  let onMessage = (): void => {}
  let errors = ''
  child.stdin.on('error', () => {}) // it may have ended before the command
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const exited = new Promise<{ code: number | null; signal: string | null; errors: string }>((resolve) => {
    child.on('close', (code, signal) => {
      resolve({ code, signal, errors })
      onMessage()
    })
  })
  createInterface({ input: child.stdout }).on('line', (line) => {
    messages.push(JSON.parse(line) as Record<string, unknown>)
    onMessage()
  })
  const message = (key: string): Promise<unknown> =>
    new Promise((resolve, reject) => {
      onMessage = () => {
        const found = messages.find((candidate) => key in candidate || 'failed' in candidate)
        if (found !== undefined && key in found) resolve(found[key])
        else if (found !== undefined) reject(new Error(String(found['failed'])))
        else if (child.exitCode !== null || child.signalCode !== null) reject(new Error(`it ended: ${errors}`))
      }
      onMessage()
    })
  const served = { child, exited, message, say: (line: string) => void child.stdin.write(`${line}\n`) }
  await message('mounted')
  return served
}
