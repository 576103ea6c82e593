/**
 * Reads fields of a node's JSON and checks their type and length. A node may send anything; an invalid value counts as
 * absent.
 */
import { KIB } from '../../base/index.js'

/** Length limits of a CID, a pin name and a message. */
const MOST_TEXT = 512
const MOST_SENTENCE = 4 * KIB

/** A CID or a name; undefined when it is absent, not text, or too long. */
export function textField(value: unknown): string | undefined {
  return typeof value === 'string' && value.length <= MOST_TEXT ? value : undefined
}

/** A message of the node, truncated to a maximum length; undefined when there is none. */
export function sentenceField(value: unknown): string | undefined {
  if (value === undefined || value === null || value === '') return undefined
  return typeof value === 'string' ? value.slice(0, MOST_SENTENCE) : 'an error in an unknown format'
}

/** A whole number, 0 or greater. */
export function countField(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined
}

/** True when the list contains this text. */
export function listNames(value: unknown, text: string): boolean {
  return Array.isArray(value) && value.includes(text)
}

/** The field of an object; undefined for anything else. */
export function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
  return (value as Readonly<Record<string, unknown>>)[name]
}
