/** Keeping keys in memory from other programs of the same user. */
import { nativeSeal } from './native-seal.js'

/**
 * Ends core dumps of this process, and lets no program of the same user trace it or read its memory; root still may.
 * @returns false where this build or kernel cannot
 */
export function keepMemoryPrivate(): boolean {
  return nativeSeal()?.keepMemoryPrivate?.() === 0
}
