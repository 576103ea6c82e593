/**
 * An upgrade under a mounted drive: a daemon runs from a copy of the program (src/platform/program-copy). If the folder
 * that it was copied from has another version when the holder starts a daemon, that version takes the mount over.
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Before the folder, in a word of the daemon's command line; src/cli/daemon-process.ts writes it. */
const ORIGIN = 'origin:'
const MAIN = 'dist/src/daemon/lifecycle/main.js'
const NATIVE = 'build/Release/dagdrive_fuse.node'

/**
 * Starts the newer version, if it is whole.
 * @param words of this daemon's command line
 * @returns true if this process has nothing more to do
 */
export async function startNewerProgram(words: readonly string[], ownPackage: string): Promise<boolean> {
  const origin = originIn(words)
  if (origin === undefined || origin === dirname(ownPackage)) return false
  const version = versionIn(join(origin, 'package.json'))
  if (version === undefined || version === versionIn(ownPackage)) return false
  const { copiesFolder, copyProgram } = await import('../../../platform/index.js')
  const folder = copiesFolder(process.env)
  const copy = folder === undefined ? undefined : copyProgram(origin, folder)
  if (copy === undefined || (existsSync(join(dirname(ownPackage), NATIVE)) && !existsSync(join(copy, NATIVE))))
    return false
  const main = join(copy, MAIN)
  spawn(process.execPath, [...process.execArgv, main, ...words], { detached: true, cwd: '/', stdio: 'inherit' }).unref()
  return true
}

/** The main file of the program that a copy was made from; undefined for a daemon that runs in place. */
export function originalMain(words: readonly string[]): string | undefined {
  const origin = originIn(words)
  return origin === undefined ? undefined : join(origin, MAIN)
}

function originIn(words: readonly string[]): string | undefined {
  return words.find((word) => word.startsWith(ORIGIN))?.slice(ORIGIN.length)
}

/** Undefined while an installation replaces the folder. */
function versionIn(file: string): unknown {
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as { version?: unknown }).version
  } catch {
    return undefined
  }
}
