/** Runs small helper programs to their end, for at most a few seconds. Never rejects. */
import { execFile } from 'node:child_process'

const TIMEOUT_MS = 5_000

/** @returns the exit code (-1 when it could not run or took too long) and its output */
export function runProgram(command: string, args: readonly string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const env = { ...process.env, LC_ALL: 'C' }
    execFile(command, [...args], { timeout: TIMEOUT_MS, env }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
      resolve({ code, output: `${stdout}${stderr}` })
    })
  })
}
