/** Shared by tests of storage: temporary directories, and a sealer with a fixed key. */
import { createCipheriv, createDecipheriv, createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DriveError, systemRandom, type Digest } from '../../../src/base/index.js'
import type { RowSealer } from '../../../src/storage/kv/record-sealer.js'
import type { FileCalls } from '../../../src/storage/segments/segment-files.js'

/** A new directory, removed by `remove()`. */
export function scratchDirectory(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'dagdrive-store-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** AES-256-GCM with a random nonce under a fixed key; every reader and writer of a test can have its own. */
export function testSealer(): RowSealer {
  const key = Buffer.alloc(32, 7)
  return {
    seal(aad, plain) {
      const nonce = systemRandom.bytes(12)
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(aad)
      return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
    },
    open(aad, sealed) {
      try {
        const tagStart = sealed.length - 16
        const opener = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12)).setAAD(aad)
        opener.setAuthTag(sealed.subarray(tagStart))
        return Buffer.concat([opener.update(sealed.subarray(12, tagStart)), opener.final()])
      } catch (cause) {
        throw new DriveError('CORRUPT', 'A row does not open.', { cause })
      }
    },
  }
}

const native = loadNative()
/** The native core's file calls, or undefined if it was not built. */
export const nativeFileCalls: FileCalls | undefined = native && {
  punchHole: (fd, offset, length) => native.punchHole(fd, offset, length) === 0,
  readWithoutWaiting: (fd, into, offset) => {
    const count = native.preadNoWait(fd, into, offset)
    return count < 0 ? undefined : count
  },
  allocatePages: pagesOf,
}

/** Page-aligned memory; undefined if the native core was not built. */
export function pagesOf(bytes: number): Buffer | undefined {
  if (native === undefined) return undefined
  const memory = Buffer.alloc(bytes + 4096)
  return memory.subarray(native.bytesToPage(memory)).subarray(0, bytes)
}

interface Native {
  punchHole(fd: number, offset: number, length: number): number
  preadNoWait(fd: number, into: Uint8Array, offset: number): number
  bytesToPage(memory: Uint8Array): number
}

function loadNative(): Native | undefined {
  try {
    return createRequire(import.meta.url)('../../../../build/Release/dagdrive_seal.node') as Native
  } catch {
    // not built on this machine
    return undefined
  }
}

/** A block whose bytes are derived from two numbers. */
export function crashBlock(batch: number, index: number): { digest: Digest; bytes: Uint8Array } {
  const length = 3000 + ((Math.abs(batch) * 7919 + index * 104_729) % 20_000)
  const bytes = Buffer.alloc(
    length,
    createHash('sha256')
      .update(`${String(batch)}/${String(index)}`)
      .digest(),
  )
  return { digest: createHash('sha256').update(bytes).digest(), bytes }
}
