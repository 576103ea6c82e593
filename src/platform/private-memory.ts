/** Keeps keys in memory safe from other programs of the same user. */
import { nativeSeal } from './native-seal.js'

/**
 * Disables core dumps of this process. No program of the same user can trace it or read its memory; root still can.
 * @returns false where this build or kernel does not support it
 */
export function keepMemoryPrivate(): boolean {
  return nativeSeal()?.keepMemoryPrivate?.() === 0
}
