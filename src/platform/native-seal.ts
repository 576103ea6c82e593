/** Finds the native core (native/seal.c). Where it is absent, callers use JavaScript that produces the same bytes. */
import { createRequire } from 'node:module'

/** The addon's own interface; lengths and layouts are in native/seal.c. All calls are synchronous. */
export interface NativeSeal {
  /**
   * Cuts `items` (four words each: offset, length, mode, final), derives keys, and, given `out`, seals.
   * @returns rows written
   */
  sealBatch(
    data: Uint8Array,
    items: Uint32Array,
    gear: Uint8Array,
    dedupKey: Uint8Array,
    rows: Uint8Array,
    out: Uint8Array | null,
  ): number
  /** Seals rows whose sealed length is not 0. @returns bytes written to `out` */
  sealRows(data: Uint8Array, rows: Uint8Array, count: number, out: Uint8Array): number
  /** @returns how many of `ends` were filled */
  cut(data: Uint8Array, gear: Uint8Array, mode: number, final: boolean, ends: Uint32Array): number
  /** @returns the plaintext's length in `into`, −1 when the tag or the padding is wrong */
  openLeaf(sealed: Uint8Array, key: Uint8Array, into: Uint8Array): number
  /**
   * `openLeaf` has accepted `sealed`. `tags` has 16 bytes for each 4,096 bytes of `sealed`. @returns the serial of the
   * tags
   */
  tagPages(sealed: Uint8Array, tags: Uint8Array): number
  /** `pages` begin at page `first` of the block. @returns false when one of them differs from the tagged page */
  openPages(
    pages: Uint8Array,
    first: number,
    serial: number,
    tags: Uint8Array,
    key: Uint8Array,
    skip: number,
    into: Uint8Array,
  ): boolean
  sha256(data: Uint8Array, digest: Uint8Array): void
  sealRecord(
    key: Uint8Array,
    salt: Uint8Array,
    counter: number,
    aad: Uint8Array,
    plain: Uint8Array,
    out: Uint8Array,
  ): void
  /** @returns false when the tag is wrong */
  openRecord(key: Uint8Array, aad: Uint8Array, sealed: Uint8Array, out: Uint8Array): boolean
  /** @returns 0 or a negative errno */
  punchHole(fd: number, offset: number, length: number): number
  /** @returns bytes read, or a negative errno */
  preadNoWait(fd: number, into: Uint8Array, offset: number): number
  /** @returns how many bytes of `memory` lie before the next page boundary, 0 to 4,095 */
  bytesToPage(memory: Uint8Array): number
  /**
   * @returns bytes of address space of the file's mappings, or a negative errno. Absent from a core that was built
   * before this call existed.
   */
  forgetMapped?(path: string): number
  /** @returns a number for `unwatchMapped`, or −1 */
  watchMapped?(path: string, mostBytes: number): number
  unwatchMapped?(watch: number): number
  hurryWatch?(change: 1 | -1): number
  trimHeap?(): number
  /** @returns 0 or a negative errno */
  keepMemoryPrivate?(): number
  hashing(mode?: 'portable' | 'best'): 'lanes' | 'portable'
}

let found: NativeSeal | null | undefined

/** The addon, or undefined where it was not built or `DAGDRIVE_CORE=javascript` forbids it. */
export function nativeSeal(): NativeSeal | undefined {
  if (process.env['DAGDRIVE_CORE'] === 'javascript') return undefined
  if (found === undefined) found = load()
  return found ?? undefined
}

function load(): NativeSeal | null {
  try {
    return createRequire(import.meta.url)('../../../build/Release/dagdrive_seal.node') as NativeSeal
  } catch {
    // not built on this machine: the JavaScript core is used
    return null
  }
}
