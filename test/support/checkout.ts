/** The project as a user gets it: a checkout of its own, and the commands of npm as they are typed in it. */
import { execFile } from 'node:child_process'
import { cpSync, existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { projectRoot } from './sources.js'

const run = promisify(execFile)
const TIMEOUT_MS = 600_000
/** What a checkout that is not from git may have beside its sources. */
const MADE = ['.git', 'node_modules', 'dist', 'build']
/** What `npm test` tells its scripts about itself; a user's shell has none of it. */
const OF_NPM = /^(npm_(lifecycle|package|command|execpath|config_(local|global)?_?prefix)|INIT_CWD$|CI$|DAGDRIVE_)/

/** Copies what git would clone, with changes that are not committed yet. */
export async function checkOut(target: string): Promise<void> {
  const names = await namesOfSources()
  if (names === undefined)
    cpSync(projectRoot, target, { recursive: true, filter: (path) => !MADE.includes(basename(path)) })
  for (const name of names ?? [])
    if (existsSync(join(projectRoot, name))) cpSync(join(projectRoot, name), join(target, name), { recursive: true })
}

async function namesOfSources(): Promise<readonly string[] | undefined> {
  try {
    // The checkout may be of another user.
    const words = ['-c', 'safe.directory=*', 'ls-files', '-z', '--cached', '--others', '--exclude-standard']
    const { stdout } = await run('git', words, { cwd: projectRoot, maxBuffer: 64 * 1024 * 1024 })
    return stdout.split('\0').filter((name) => name !== '')
  } catch {
    return undefined // not a checkout of git
  }
}

/**
 * Runs a line of the shell in a checkout. Packages come from the cache of npm if it has them.
 * @returns everything it printed
 * @throws Error with that if its exit status is not 0
 */
export async function typed(line: string, folder: string, more: NodeJS.ProcessEnv = {}): Promise<string> {
  const kept = Object.entries(process.env).filter(([name]) => !OF_NPM.test(name))
  const env = { ...Object.fromEntries(kept), npm_config_prefer_offline: 'true', ...more }
  const options = { cwd: folder, env, timeout: TIMEOUT_MS, maxBuffer: 64 * 1024 * 1024 }
  return new Promise((resolve, reject) => {
    execFile('sh', ['-c', `{ ${line}\n} 2>&1`], options, (error, stdout) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`${line}: ${error.message}\n${stdout}`))
    })
  })
}
