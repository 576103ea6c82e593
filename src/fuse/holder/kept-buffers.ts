/**
 * Buffers for streams, in the memory that the holder keeps. The bytes a stream writes are in these buffers anyway, so
 * the redo log does not copy them: an entry refers to their place, and a buffer is reused when no entry refers to it.
 *
 * The sealing pool reads the buffers in place, so they must be a SharedArrayBuffer, and no native call creates one over
 * given memory. Instead, the pages of a buffer that V8 has mapped are replaced by those of the shared memory. A
 * WebAssembly.Memory makes this possible: it is page-aligned, has its own mapping and is never part of the malloc heap.
 */
import type { Redo } from '../../vfs/index.js'
import { SLOT_BYTES } from '../../vfs/index.js'
import { KEPT_BUFFERS, KEPT_BUFFERS_AT } from './shared-state.js'

declare const WebAssembly: {
  readonly Memory: new (pages: { initial: number; maximum: number; shared: true }) => {
    readonly buffer: SharedArrayBuffer
  }
}

const WASM_PAGE_BYTES = 65_536

interface Shared {
  readonly descriptor: number
  readonly buffers: readonly Uint8Array[]
}

/** Each tree uses one set of buffers: a second view of the same memory would hand out buffers that are in use. */
const opened = new WeakMap<Redo, Shared>()

/** @returns undefined if the buffers cannot be mapped; the log then copies stream writes */
export function keptBuffersOf(
  redo: Redo,
  share: ((bytes: Uint8Array, descriptor: number, start: number) => number) | undefined,
  descriptor: number,
): readonly Uint8Array[] | undefined {
  const known = opened.get(redo)
  if (known !== undefined) return known.descriptor === descriptor ? known.buffers : undefined
  const memory = share === undefined ? undefined : reserve()
  if (memory === undefined || share!(new Uint8Array(memory), descriptor, KEPT_BUFFERS_AT) !== 0) return undefined
  const buffers = Array.from({ length: KEPT_BUFFERS }, (_, i) => new Uint8Array(memory, i * SLOT_BYTES, SLOT_BYTES))
  opened.set(redo, { descriptor, buffers })
  return buffers
}

/** Reserves address space; pages are allocated on first write. Undefined if the process may not reserve that much. */
function reserve(): SharedArrayBuffer | undefined {
  const pages = (KEPT_BUFFERS * SLOT_BYTES) / WASM_PAGE_BYTES
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer
  } catch {
    return undefined
  }
}
