/** How this command was called. Hints print commands in the form that worked for the user. */
import { basename, dirname, relative } from 'node:path'
import { shellWord } from '../base/index.js'

/** Quoted in messages of every layer, for example: "dagdrive node set". */
const COMMAND = /(?<=["`](?:DAGDRIVE_HOME=\S+ )?)dagdrive(?= [a-z])/g

/** @param script the path of the script that node was started with */
export function calledAs(script = process.argv[1] ?? '', environment: NodeJS.ProcessEnv = process.env): string {
  if (environment['npm_command'] === 'exec') return 'npx dagdrive'
  if (basename(script) === 'dagdrive' && isInPath(dirname(script), environment['PATH'])) return 'dagdrive'
  const path = relative(process.cwd(), script)
  const shown = path !== '' && !path.startsWith('..') ? path : script
  const quoted = shellWord(shown)
  if (basename(script) !== 'dagdrive') return `node ${quoted}`
  return quoted.includes('/') ? quoted : `./${quoted}`
}

/** An installed command may be in a folder that the shell does not search. */
function isInPath(folder: string, path: string | undefined): boolean {
  return path === undefined || path.split(':').includes(folder)
}

/** Replaces the command in the hints of a message for a person. */
export function withCommand(text: string, command = calledAs()): string {
  return text.replaceAll(COMMAND, () => command)
}
