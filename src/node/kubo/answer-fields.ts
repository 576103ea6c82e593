/**
 * Fields of a node's JSON, each checked for its type and length: a node may put anything there, and what is no such
 * value counts as absent.
 */
import { KIB } from '../../base/index.js'

/** The longest CID, name of a pin or sentence that is looked at. */
const MOST_TEXT = 512
const MOST_SENTENCE = 4 * KIB

/** A CID or a name; undefined when it is absent, no text, or longer than any. */
export function textField(value: unknown): string | undefined {
  return typeof value === 'string' && value.length <= MOST_TEXT ? value : undefined
}

/** What the node says to people, cut to a length; undefined when there is nothing. */
export function sentenceField(value: unknown): string | undefined {
  if (value === undefined || value === null || value === '') return undefined
  return typeof value === 'string' ? value.slice(0, MOST_SENTENCE) : 'a failure in a form of its own'
}

/** A whole number from 0 on. */
export function countField(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined
}

/** True when the list names this text. */
export function listNames(value: unknown, text: string): boolean {
  return Array.isArray(value) && value.includes(text)
}

/** The field of an object; undefined for anything else. */
export function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
  return (value as Readonly<Record<string, unknown>>)[name]
}
