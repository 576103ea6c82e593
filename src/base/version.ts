/** The version of this program. */
import { readFileSync } from 'node:fs'

/** Reads the version from package.json, three folders above the built module. */
export function packageVersion(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
