/**
 * A private copy of the program, from which the daemon runs: `npm ci`, a build or an upgrade in the program's folder
 * takes nothing away from a daemon that is running, nor from the next one after a kill.
 */
import { createHash } from 'node:crypto'
import {
  accessSync,
  constants,
  copyFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { isPrivatePlace } from './is-private-place.js'
import { COPY_MARKER, filesBelow, ownFiles, packagesOf, type ProgramPart } from './program-files.js'

/** Data that a crash of the machine cut is never used: a copy is of one boot. */
const BOOT_ID = '/proc/sys/kernel/random/boot_id'

/** The folder of all copies of this user; undefined if there is none. */
export function copiesFolder(environment: NodeJS.ProcessEnv): string | undefined {
  const chosen = environment['DAGDRIVE_PROGRAMS']
  if (chosen !== undefined) return chosen.startsWith('/') ? chosen : undefined
  const cache = environment['XDG_CACHE_HOME']
  if (cache?.startsWith('/') === true) return join(cache, 'dagdrive', 'programs')
  try {
    const home = homedir()
    return home.startsWith('/') && home !== '/' ? join(home, '.cache', 'dagdrive', 'programs') : undefined
  } catch {
    return undefined // this user has no home
  }
}

/**
 * The copy of the program at `root` as it is now; made if it is missing.
 * @returns undefined if there cannot be one: no space, no home, a file system without execution, or a folder in which
 * another user can exchange it
 */
export function copyProgram(root: string, folder: string): string | undefined {
  try {
    const parts = ownFiles(root)
    const packages = packagesOf(root)
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    // Without links, because their owners can change them.
    const place = realpathSync(folder)
    if (!isPrivatePlace(place, process.geteuid?.())) return undefined
    const copy = join(place, identityOf(parts, packages))
    if (!isUsable(copy)) make(copy, parts, packages)
    const holder = parts.find(({ to }) => to.endsWith('dagdrive_holder'))
    if (holder !== undefined) accessSync(join(copy, holder.to), constants.X_OK)
    return isUsable(copy) ? copy : undefined
  } catch {
    return undefined // the daemon runs in place
  }
}

/** A file that was replaced has another inode or another time of change, also if size and date are the same. */
function identityOf(parts: readonly ProgramPart[], packages: readonly ProgramPart[]): string {
  const hash = createHash('sha256').update(readFileSync(BOOT_ID))
  const note = (part: string, ...facts: readonly number[]): void => void hash.update(`${part} ${facts.join(' ')}\n`)
  for (const { from, to } of parts) {
    const { ino, size, mtimeMs, ctimeMs } = statSync(from)
    note(to, ino, size, mtimeMs, ctimeMs)
  }
  // Links of copies change the ctime. A package that is installed again has other inodes.
  for (const { from, to } of packages) {
    const { ino, size, mtimeMs } = statSync(join(from, 'package.json'))
    note(to, ino, size, mtimeMs)
  }
  return hash.digest('hex').slice(0, 24)
}

/** Nobody else can have made or changed it: what is in it is run with the rights of this user. */
function isUsable(copy: string): boolean {
  const found = lstatSync(copy, { throwIfNoEntry: false })
  return found?.isDirectory() === true && found.uid === process.geteuid?.() && (found.mode & 0o077) === 0
}

function make(copy: string, parts: readonly ProgramPart[], packages: readonly ProgramPart[]): void {
  const beside = `${copy}.${process.pid}`
  rmSync(beside, { recursive: true, force: true })
  try {
    mkdirSync(beside, { mode: 0o700 })
    writeFileSync(join(beside, COPY_MARKER), '')
    const folders = new Set<string>()
    const place = (from: string, to: string, put: (from: string, to: string) => void): void => {
      const parent = dirname(to)
      if (!folders.has(parent)) mkdirSync(parent, { recursive: true, mode: 0o700 })
      folders.add(parent)
      put(from, to)
    }
    for (const { from, to } of parts) place(from, join(beside, to), copyFileSync)
    // A package is replaced as a whole, never written in place.
    for (const { from, to } of packages)
      for (const name of filesBelow(from, '')) place(join(from, name), join(beside, to, name), linkOrCopy)
    renameSync(beside, copy)
  } catch (error) {
    rmSync(beside, { recursive: true, force: true })
    // Another command has made it meanwhile.
    if (!isUsable(copy)) throw error
  }
}

function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to)
  } catch {
    copyFileSync(from, to) // on another file system, or of another user
  }
}
