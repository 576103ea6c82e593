/** Keys, ciphers and signatures. All keys derive from one root key, and the recovery phrase encodes that root key. */
export { aes256Gcm } from './aead-gcm.js'
export { xchacha20Poly1305, xchacha20Poly1305Noble } from './aead-xchacha.js'
export {
  type Aead,
  type DriveKeys,
  RECORD_OVERHEAD,
  type RecordSealer,
  type RootKey,
  type WrappedRoot,
} from './contract.js'
export { createRootKey, deriveDriveKeys } from './drive-keys.js'
export { publicKeyOfSeed, signEd25519, verifyEd25519 } from './ed25519.js'
export { hkdf } from './hkdf.js'
export { keyOfPassphrase, SCRYPT_COST, type ScryptCost } from './passphrase.js'
export { phraseOfRootKey, rootKeyOfPhrase } from './phrase.js'
export { bindLocalKey, createRecordSealer } from './record-sealer.js'
export { unwrapRootKey, wrapRootKey } from './root-slot.js'
