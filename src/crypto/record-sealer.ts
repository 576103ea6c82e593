import type { Random, SecretKey } from '../base/index.js'
import { aes256Gcm } from './aead-gcm.js'
import { tagMismatch } from './aead-errors.js'
import { RECORD_OVERHEAD, type RecordSealer } from './contract.js'
import { hkdf } from './hkdf.js'
import { nativeSeal } from '../platform/index.js'

const SALT = 16
const HEAD = SALT + 8
const fresh = (bytes: number): Buffer => Buffer.allocUnsafe(bytes)
/** Size of the cache of derived keys. A store rarely holds records of more sessions than this. */
const KEPT_KEYS = 64

/**
 * The key for the records of one LMDB environment of one home. All devices of a drive share K_local. Without this
 * binding, a record could be moved to another home or to another environment.
 * @param home random bytes of this home
 */
export function bindLocalKey(localKey: SecretKey, home: Uint8Array, environment: string): SecretKey {
  return hkdf(localKey, Buffer.concat([Buffer.from(`dagdrive v1 home records ${environment}\0`), home]))
}

/**
 * A sealer with a fresh salt. Use one per thread and session.
 * @param localKey K_local of the drive, bound by `bindLocalKey`
 */
export function createRecordSealer(localKey: SecretKey, random: Random): RecordSealer {
  const salt = Buffer.from(random.bytes(SALT))
  const keys = sessionKeys(localKey)
  const sealKey = keys(salt)
  const native = nativeSeal()
  let counter = 0
  // Consecutive rows were usually written in one session.
  let lastSalt = salt
  let lastKey = sealKey

  const seal = (aad: Uint8Array, plain: Uint8Array, take: (bytes: number) => Buffer = fresh): Uint8Array => {
    const out = take(plain.length + RECORD_OVERHEAD)
    const turn = counter++
    if (native !== undefined) {
      native.sealRecord(sealKey, salt, turn, aad, plain, out)
      return out
    }
    out.set(salt)
    out.writeBigUInt64BE(BigInt(turn), SALT)
    out.set(aes256Gcm.seal(sealKey, nonceOf(out), aad, plain), HEAD)
    return out
  }

  const open = (aad: Uint8Array, sealed: Uint8Array): Uint8Array => {
    if (sealed.length < RECORD_OVERHEAD) throw tagMismatch()
    const record = Buffer.isBuffer(sealed) ? sealed : Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength)
    if (record.compare(lastSalt, 0, SALT, 0, SALT) !== 0) {
      lastSalt = Buffer.from(record.subarray(0, SALT))
      lastKey = keys(lastSalt)
    }
    const key = lastKey
    if (native === undefined) return aes256Gcm.open(key, nonceOf(record), aad, record.subarray(HEAD))
    const out = Buffer.allocUnsafe(sealed.length - RECORD_OVERHEAD)
    if (!native.openRecord(key, aad, sealed, out)) throw tagMismatch()
    return out
  }
  return { seal, open }
}

/** 0^4 || counter. */
function nonceOf(record: Buffer): Uint8Array {
  const nonce = new Uint8Array(12)
  nonce.set(record.subarray(SALT, HEAD), 4)
  return nonce
}

/** Maps a salt to its key; a cache that evicts the least recently used key. */
function sessionKeys(localKey: SecretKey): (salt: Buffer) => SecretKey {
  const kept = new Map<string, SecretKey>()
  return (salt) => {
    const name = salt.toString('latin1')
    const key = kept.get(name) ?? hkdf(localKey, Buffer.concat([Buffer.from('dagdrive v1 records '), salt]))
    kept.delete(name)
    kept.set(name, key)
    if (kept.size > KEPT_KEYS) kept.delete(kept.keys().next().value as string)
    return key
  }
}
