/** The project's own files as text, for tests about the source itself. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The checkout: the folder with package.json, also when running from dist/. */
export const projectRoot = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))))

export interface SourceFile {
  /** Relative to the checkout, with `/`. */
  readonly path: string
  readonly text: string
}

/** Every file below `folder` whose name has one of the `endings`. */
export function filesBelow(folder: string, endings: readonly string[]): SourceFile[] {
  const found = readdirSync(join(projectRoot, folder), { recursive: true, withFileTypes: true })
  return found
    .filter((entry) => entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path: relative(projectRoot, path), text: readFileSync(path, 'utf8') }))
    .sort((a, b) => a.path.localeCompare(b.path))
}

export function isTest(path: string): boolean {
  return /\.(test|suite)\.ts$/.test(path) || path.startsWith('test/')
}

export function readDoc(path: string): string {
  return readFileSync(join(projectRoot, path), 'utf8')
}
