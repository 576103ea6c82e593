/**
 * The synchronous core of the contract, native where the addon is built. Chunks are sealed in seal-chunks.ts, here only
 * single ones.
 */
import { DriveError, type Digest, type SecretKey } from '../base/index.js'
import { nativeSeal, type NativeSeal } from '../platform/index.js'
import { createBatchSealer, javascriptSealer, MODE_NUMBERS, type BatchSealer } from './seal-chunks.js'
import { CHUNK, type ChunkMode, type ContentKeys, type Core } from './contract.js'
import { cutChunks, gearBytes, gearWords } from './cut-chunks.js'
import { badLeaf, openLeafJavaScript, sha256JavaScript } from './leaf-javascript.js'
import { SEALED_PAGE_BYTES, sealedSize, TAG_BYTES } from './padding.js'
import { rowCapacity, Rows } from './rows.js'

/**
 * @param kind undefined: native, unless it is not built or `DAGDRIVE_CORE=javascript` is set. 'native' throws
 * NOT_SUPPORTED without the addon
 */
export function createCore(kind?: Core['kind']): Core {
  const native = kind === 'javascript' ? undefined : nativeSeal()
  if (kind === 'native' && native === undefined) throw new DriveError('NOT_SUPPORTED', 'The native core is not built.')
  return native === undefined ? javascriptCore() : nativeCore(native)
}

function nativeCore(native: NativeSeal): Core {
  const gear = latest(({ gearKey }) => gearBytes(gearKey))
  const sealer = latest(createBatchSealer)
  const ends = new Uint32Array(256)
  return {
    kind: 'native',
    sealLeaf: (plain, keys) => sealLeaf(sealer(keys), plain),
    openLeaf(sealed, key) {
      if (sealed.length < TAG_BYTES) throw badLeaf()
      const into = Buffer.allocUnsafeSlow(sealed.length - TAG_BYTES)
      const length = native.openLeaf(sealed, key, into)
      if (length < 0) throw badLeaf()
      return into.subarray(0, length)
    },
    openLeafInto(sealed, key, into) {
      const length = native.openLeaf(sealed, key, into)
      if (length < 0) throw badLeaf()
      return length
    },
    parts: {
      tag(sealed) {
        const tags = new Uint8Array((sealed.length / SEALED_PAGE_BYTES) * TAG_BYTES)
        return { serial: native.tagPages(sealed, tags), tags }
      },
      open: ({ pages, first, skip }, { serial, tags }, key, into) =>
        native.openPages(pages, first, serial, tags, key, skip, into),
    },
    cut(data, mode, final, keys) {
      const most = rowCapacity([data])
      const into = most <= ends.length ? ends : new Uint32Array(most)
      const count = native.cut(data, gear(keys), MODE_NUMBERS[mode], final, into)
      return Array.from(into.subarray(0, count))
    },
    sha256(data) {
      const digest = new Uint8Array(32)
      native.sha256(data, digest)
      return digest
    },
  }
}

function javascriptCore(): Core {
  const gear = latest(({ gearKey }) => gearWords(gearBytes(gearKey)))
  const sealer = latest(javascriptSealer)
  return {
    kind: 'javascript',
    sealLeaf: (plain, keys) => sealLeaf(sealer(keys), plain),
    openLeaf: openLeafJavaScript,
    openLeafInto(sealed, key, into) {
      if (into.length < sealed.length - TAG_BYTES) throw new RangeError('into: too small')
      const plain = openLeafJavaScript(sealed, key)
      into.set(plain)
      return plain.length
    },
    cut: (data: Uint8Array, mode: ChunkMode, final: boolean, keys: ContentKeys) =>
      cutChunks(gear(keys), data, { start: 0, end: data.length, mode, final }),
    sha256: sha256JavaScript,
  }
}

function sealLeaf(
  sealer: BatchSealer,
  plain: Uint8Array,
): { sealed: Uint8Array; digest: Digest; key: SecretKey; dedupId: Uint8Array } {
  if (plain.length < 1 || plain.length > CHUNK.MAX) {
    throw new DriveError('INVALID', `A leaf block must hold 1 to ${CHUNK.MAX} bytes.`, {
      about: { length: plain.length },
    })
  }
  const rows = new Rows(1)
  const sealed = Buffer.allocUnsafeSlow(sealedSize(plain.length))
  sealer.sealBatch(plain, [{ offset: 0, length: plain.length, mode: 'whole', final: true }], rows, sealed)
  return { sealed, digest: rows.digest(0), key: rows.key(0), dedupId: rows.dedupId(0) }
}

/** Caches the value derived from the keys of the last call. A process uses one drive's keys at a time. */
function latest<T>(derive: (keys: ContentKeys) => T): (keys: ContentKeys) => T {
  let held: { keys: ContentKeys; value: T } | undefined
  return (keys) => {
    if (held === undefined || held.keys.gearKey !== keys.gearKey || held.keys.dedupKey !== keys.dedupKey) {
      held = { keys: { gearKey: keys.gearKey, dedupKey: keys.dedupKey }, value: derive(keys) }
    }
    return held.value
  }
}
