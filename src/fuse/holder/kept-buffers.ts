/**
 * Buffers for streams that lie in the memory a holder keeps. What a stream writes is in them anyway, so the log of the
 * mount needs no copy of it: an entry says where the bytes are, and a buffer is filled anew when no entry needs it.
 *
 * The pool reads them in place, so they have to be a SharedArrayBuffer, and no native call makes one over given memory.
 * The pages of one that V8 has mapped are exchanged for those of the shared memory instead. A WebAssembly.Memory is
 * that: it begins at a page, is mapped by itself, and is never a part of the heap of malloc.
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

/**
 * One tree fills one set of buffers: a second view of the same memory would give a buffer that is in use away again.
 */
const opened = new WeakMap<Redo, Shared>()

/** @returns undefined where they cannot be had; the log then copies what streams write */
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

/** Address space only, until it is written to. Undefined where the process may not have as much. */
function reserve(): SharedArrayBuffer | undefined {
  const pages = (KEPT_BUFFERS * SLOT_BYTES) / WASM_PAGE_BYTES
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer
  } catch {
    return undefined
  }
}
