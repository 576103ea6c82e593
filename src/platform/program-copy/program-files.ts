/** The files of this program that a daemon loads or starts: its own, and those of the packages that it depends on. */
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const NATIVE = ['dagdrive_fuse.node', 'dagdrive_seal.node', 'dagdrive_holder'].map((name) => `build/Release/${name}`)
/** The second transport is used if it was installed beside the program. */
const OPTIONAL = ['fuse-native']
const NOT_LOADED = /\.(map|md|ts|mts|cts|c|cc|cpp|h|test\.js)$/

/** The file that says that a folder is a copy; nothing else is ever removed. */
export const COPY_MARKER = 'dagdrive-program-copy'

/** A file or a folder, and its place in a copy. */
export interface ProgramPart {
  readonly from: string
  readonly to: string
}

/** The folder of the program that this module is part of. */
export function programRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json')) && folder !== dirname(folder)) folder = dirname(folder)
  return folder
}

/** The program's own files; the native core is missing where it could not be built. */
export function ownFiles(root: string): ProgramPart[] {
  const names = [
    'package.json',
    ...filesBelow(root, 'dist/src'),
    ...NATIVE.filter((name) => existsSync(join(root, name))),
  ]
  return names.map((name) => ({ from: join(root, name), to: name }))
}

/** Names of files relative to `root`, without those of other packages. */
export function filesBelow(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const name = join(folder, entry.name)
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesBelow(root, name)
    return NOT_LOADED.test(name) ? [] : [name]
  })
}

/** Folders of all packages. Two versions of one package get two places, as in the original. */
export function packagesOf(root: string): ProgramPart[] {
  const placed = new Map<string, string>()
  const add = (from: string, to: string): void => {
    const about = JSON.parse(readFileSync(join(from, 'package.json'), 'utf8')) as Dependencies
    const optional = Object.keys(about.optionalDependencies ?? {})
    const names = new Set([...Object.keys(about.dependencies ?? {}), ...optional, ...(to === '' ? OPTIONAL : [])])
    for (const name of names) {
      const found = resolvePackage(from, name)
      if (found === undefined) {
        if (optional.includes(name) || OPTIONAL.includes(name)) continue
        throw new Error(`The package ${name} is missing.`)
      }
      const top = join('node_modules', name)
      const place = (placed.get(top) ?? found) === found ? top : join(to, top)
      if (placed.has(place)) continue
      placed.set(place, found)
      add(found, place)
    }
  }
  add(root, '')
  return [...placed].map(([to, from]) => ({ from, to }))
}

interface Dependencies {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/** As Node looks for it, from a package's folder up. */
function resolvePackage(from: string, name: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const found = join(folder, 'node_modules', name)
    if (basename(folder) !== 'node_modules' && existsSync(join(found, 'package.json'))) return realpathSync(found)
    if (folder === dirname(folder)) return undefined
  }
}
