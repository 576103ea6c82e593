/** Words of the command lines that messages offer: they can be copied into a shell as they are. */

const PLAIN = /^[\w./@%+,:=-]+$/

/** In quotes if a shell would read it as something else than one word. */
export function shellWord(text: string): string {
  return PLAIN.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
