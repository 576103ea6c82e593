/** A cautious estimate whether a thief of the key file could guess a passphrase. */

const LEAST_CHARACTERS = 14
const LEAST_DIFFERENT = 7
const LEAST_DIGITS = 24
const COMMON = /pass ?(word|phrase|wort)|qwert|letmein|dagdrive|12345|abcde/iu

/** A warning for the user; undefined for a strong passphrase. Never contains the passphrase. */
export function passphraseWarning(passphrase: string): string | undefined {
  const characters = [...passphrase.normalize('NFKC')]
  const different = new Set(characters.map((it) => it.toLowerCase())).size
  const isWeak =
    characters.length < LEAST_CHARACTERS ||
    different < LEAST_DIFFERENT ||
    (/^[\p{Nd}\p{P}\s]+$/u.test(passphrase) && characters.length < LEAST_DIGITS) ||
    (COMMON.test(passphrase) && characters.length < 2 * LEAST_CHARACTERS)
  if (!isWeak) return undefined
  return 'warning: a thief of the key file could guess this passphrase; five words chosen at random are better'
}
