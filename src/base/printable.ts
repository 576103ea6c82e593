/**
 * Text that others chose (names of files, devices, processes and drives, words of a node or a disk) on its way to a
 * terminal, a log or a client: nothing in it is obeyed, and JSON stays valid for strict readers. What is our own is not
 * changed by it.
 */

/**
 * Controls (C0, DEL, C1), format characters (also those that turn the direction of writing), lone surrogates, line
 * separators.
 */
const OBEYED = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu
/** Of these JSON.stringify escapes C0 alone. */
const OBEYED_IN_JSON = /[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu
const LONE_SURROGATE = /\p{Cs}/gu

/** One line: what a terminal would obey is shown as `\u{1b}`. Applied twice, it says the same. */
export function printable(text: string): string {
  return text.replace(OBEYED, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`)
}

/** Lines of ours as one text, each of them `printable`: no name begins a line of its own. */
export function printableLines(lines: readonly string[]): string {
  return lines.map(printable).join('\n')
}

/**
 * One line of JSON that a terminal obeys nothing of. Half a surrogate pair, which no UTF-8 can hold, becomes U+FFFD.
 */
export function jsonLine(value: unknown): string {
  const wellFormed = (_key: string, one: unknown): unknown =>
    typeof one === 'string' ? one.replace(LONE_SURROGATE, '\ufffd') : one
  return JSON.stringify(value, wellFormed).replace(OBEYED_IN_JSON, escaped)
}

/** As JSON writes it: a unit of UTF-16 at a time. */
function escaped(character: string): string {
  return Array.from({ length: character.length }, (_, at) => {
    return `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`
  }).join('')
}
