/**
 * Text that others chose (names of files, devices, processes and drives, messages of a node or a disk) on its way to a
 * terminal, a log or a client: it cannot control the terminal, and JSON stays valid for strict readers. Our own text is
 * unchanged.
 */

/**
 * Controls (C0, DEL, C1), format characters (including those that change the text direction), lone surrogates, line
 * separators.
 */
const OBEYED = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu
/** Of these, JSON.stringify escapes only C0. */
const OBEYED_IN_JSON = /[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu
const LONE_SURROGATE = /\p{Cs}/gu

/** One line: control characters are shown as `\u{1b}`. Idempotent. */
export function printable(text: string): string {
  return text.replace(OBEYED, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`)
}

/** Joins our own lines, each made `printable`, so that no name can start a new line. */
export function printableLines(lines: readonly string[]): string {
  return lines.map(printable).join('\n')
}

/**
 * One line of JSON without characters that control a terminal. Half a surrogate pair is not valid in UTF-8 and becomes
 * U+FFFD.
 */
export function jsonLine(value: unknown): string {
  const wellFormed = (_key: string, one: unknown): unknown =>
    typeof one === 'string' ? one.replace(LONE_SURROGATE, '\ufffd') : one
  return JSON.stringify(value, wellFormed).replace(OBEYED_IN_JSON, escaped)
}

/** Escapes one UTF-16 unit at a time, as in JSON. */
function escaped(character: string): string {
  return Array.from({ length: character.length }, (_, at) => {
    return `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`
  }).join('')
}
