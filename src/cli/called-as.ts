/** How this command was called. Hints print commands in the form that worked for the user. */
import { basename, relative } from 'node:path'

/** Quoted in messages of every layer, for example: "dagdrive node set". */
const COMMAND = /(?<=["`])dagdrive(?= [a-z])/g
const PLAIN_ARGUMENT = /^[\w./@%+,:=-]+$/

/** @param script the path of the script that node was started with */
export function calledAs(script = process.argv[1] ?? '', environment: NodeJS.ProcessEnv = process.env): string {
  if (environment['npm_command'] === 'exec') return 'npx dagdrive'
  if (basename(script) === 'dagdrive') return 'dagdrive'
  const path = relative(process.cwd(), script)
  const shown = path !== '' && !path.startsWith('..') ? path : script
  return `node ${PLAIN_ARGUMENT.test(shown) ? shown : `'${shown.replaceAll("'", "'\\''")}'`}`
}

/** Replaces the command in the hints of a message for a person. */
export function withCommand(text: string, command = calledAs()): string {
  return text.replaceAll(COMMAND, () => command)
}
