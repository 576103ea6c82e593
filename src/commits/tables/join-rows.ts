/** Joins two sequences of rows in key order. */
type Row = readonly [key: Uint8Array, value: Uint8Array]

/** One key with the value of each side. */
export interface JoinedRow {
  readonly key: Uint8Array
  readonly left: Uint8Array | undefined
  readonly right: Uint8Array | undefined
}

export function* joinRows(
  left: Iterator<Row, undefined>,
  right: Iterator<Row, undefined>,
): Generator<JoinedRow, undefined> {
  let a = left.next().value
  let b = right.next().value
  for (;;) {
    if (a === undefined && b === undefined) return
    const order = a === undefined ? 1 : b === undefined ? -1 : Buffer.compare(a[0], b[0])
    yield {
      key: (order <= 0 ? a : b)![0],
      left: order <= 0 ? a![1] : undefined,
      right: order >= 0 ? b![1] : undefined,
    }
    if (order <= 0) a = left.next().value
    if (order >= 0) b = right.next().value
  }
}
