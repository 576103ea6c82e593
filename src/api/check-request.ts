/**
 * Checks the JSON body of a request: the types and sizes of its fields, and that it has no unknown field. Messages
 * never repeat a value, because it may be a secret.
 */
import { DriveError, KIB, printable } from '../base/index.js'

/** `path` is absolute. `count` is a whole number, 0 or greater. */
export type FieldKind = 'text' | 'path' | 'flag' | 'count'

export interface FieldRule {
  readonly kind: FieldKind
  readonly isRequired?: boolean
}

export type RequestRule = Readonly<Record<string, FieldRule>>

const MOST_TEXT_BYTES = 64 * KIB
const MOST_SHOWN = 40

const KINDS: Readonly<Record<FieldKind, { readonly name: string; readonly is: (value: unknown) => boolean }>> = {
  text: { name: 'text', is: isText },
  path: { name: 'an absolute path', is: (value) => isText(value) && value.startsWith('/') },
  flag: { name: 'true or false', is: (value) => typeof value === 'boolean' },
  count: { name: 'a whole number', is: (value) => Number.isSafeInteger(value) && (value as number) >= 0 },
}

/** Throws INVALID, and names the field. */
export function checkRequest(given: object, rule: RequestRule): void {
  for (const [name, value] of Object.entries(given)) {
    const field = Object.hasOwn(rule, name) ? rule[name] : undefined
    if (field === undefined) throw invalid(name, 'is not a field of this operation')
    if (typeof value === 'string' && Buffer.byteLength(value) > MOST_TEXT_BYTES) throw invalid(name, 'is too long')
    const { name: wanted, is } = KINDS[field.kind]
    if (!is(value)) throw invalid(name, `is not ${wanted}`)
  }
  for (const [name, { isRequired }] of Object.entries(rule))
    if (isRequired === true && !Object.hasOwn(given, name)) throw invalid(name, 'is missing')
}

/** Text that file names and text files can contain: no NUL, no unpaired surrogate. */
function isText(value: unknown): value is string {
  return typeof value === 'string' && !value.includes('\0') && !/\p{Cs}/u.test(value)
}

function invalid(name: string, what: string): DriveError {
  return new DriveError('INVALID', `"${printable(name.slice(0, MOST_SHOWN))}" ${what}.`)
}
