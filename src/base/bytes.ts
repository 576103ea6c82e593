/** Units and small byte helpers shared by every module. */
export const KIB = 1024
export const MIB = 1024 * KIB
export const GIB = 1024 * MIB

/** A SHA-256 digest, 32 bytes. The CID of a block is CIDv1 of it (raw for sealed blocks, dag-pb for pin tree nodes). */
export type Digest = Uint8Array
/** A 32-byte secret key. Never logged, never in an error. */
export type SecretKey = Uint8Array
/** A 16-byte random identity of a file or directory that survives rename, move and overwrite. */
export type FileId = Uint8Array

/**
 * A file name as the kernel gave it: 1 … 255 bytes, one character per byte (latin1), any bytes except `/` and NUL. Not
 * UTF-8 text: use `nameFromText` and `nameToText` at the edges. Never logged.
 */
export type PlainName = string & { readonly plainName: unique symbol }

/** Text (UTF-8) to a byte name. */
export function nameFromText(text: string): PlainName {
  return Buffer.from(text, 'utf8').toString('latin1') as PlainName
}

/** A byte name to text, for display only: bytes that are not UTF-8 become U+FFFD. */
export function nameToText(name: PlainName): string {
  return Buffer.from(name, 'latin1').toString('utf8')
}

export function nameToBytes(name: PlainName): Buffer {
  return Buffer.from(name, 'latin1')
}

/** @param start the first byte of the name */
export function nameFromBytes(bytes: Uint8Array, start = 0): PlainName {
  return latin1(bytes, start) as PlainName
}

/** Bytes from `start` as a string of one character per byte. A cold listing reads 20,000: no object but the string. */
export function latin1(bytes: Uint8Array, start = 0): string {
  return latin1Slice.call(bytes, start, bytes.length)
}

/** Missing in the types of Node: works on any Uint8Array, without creating a Buffer first. */
const { latin1Slice } = Buffer.prototype as unknown as {
  latin1Slice: (this: Uint8Array, start: number, end: number) => string
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
