/**
 * Sync's own small records as JSON, with marked byte strings. Only for rows of sealed tables in sync's environment,
 * which one program version writes and reads; nothing here leaves the machine.
 */
export function encodePlain(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value, mark))
}

export function decodePlain<T>(bytes: Uint8Array): T {
  return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'), unmark) as T
}

// A Buffer was already converted by its own toJSON before a replacer sees the value, so the original is read from the
// holder.
function mark(this: unknown, key: string, value: unknown): unknown {
  const raw = (this as Record<string, unknown>)[key]
  if (raw instanceof Uint8Array) return { $bytes: Buffer.from(raw).toString('base64') }
  return value
}

function unmark(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if ('$bytes' in value) return new Uint8Array(Buffer.from(String(value.$bytes), 'base64'))
  return value
}
