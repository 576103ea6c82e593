/**
 * The recovery phrase: BIP-39, 24 English words, whose 256 bits of entropy are the root key. The phrase and a node are
 * enough to restore a drive (docs/decisions/010-phrase-is-the-root-key.md).
 */
import { entropyToMnemonic, mnemonicToEntropy } from '@scure/bip39'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { DriveError } from '../base/index.js'
import type { RootKey } from './contract.js'

const WORDS = 24
const KNOWN = new Set(wordlist)

/** The 24 words of a root key, separated by single spaces. Secret. */
export function phraseOfRootKey(root: RootKey): string {
  if (root.length !== 32) throw new DriveError('INVALID', 'A root key must have 32 bytes.')
  return entropyToMnemonic(root, wordlist)
}

/**
 * The root key of a phrase. Letter case and the amount of white space do not matter. Throws INVALID. The message names
 * the unknown words by position, never by the word, or says that the checksum is wrong.
 */
export function rootKeyOfPhrase(phrase: string): RootKey {
  const words = phrase
    .normalize('NFKD')
    .toLowerCase()
    .split(/\s+/u)
    .filter((word) => word !== '')
  if (words.length !== WORDS) {
    throw new DriveError('INVALID', `A recovery phrase has ${WORDS} words; this one has ${words.length}.`, {
      about: { words: words.length },
    })
  }
  const unknown = words.flatMap((word, index) => (KNOWN.has(word) ? [] : [index + 1]))
  if (unknown.length > 0) {
    const which = unknown.length === 1 ? `Word ${unknown[0]} is` : `Words ${unknown.join(', ')} are`
    throw new DriveError('INVALID', `${which} not in the BIP-39 English word list.`, {
      about: { unknown: unknown.join(',') },
    })
  }
  try {
    return mnemonicToEntropy(words.join(' '), wordlist)
  } catch {
    // Only the checksum can still be wrong. The library's error is not the cause here, because it may quote words.
    throw new DriveError(
      'INVALID',
      'The checksum of the recovery phrase is wrong: at least one word is wrong or in the wrong place.',
    )
  }
}
