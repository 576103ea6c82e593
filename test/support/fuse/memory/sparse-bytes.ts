/** A sparse array of bytes in 64 KiB pages. Bytes never written are zeros and use no memory. */
const PAGE = 64 * 1024

export class SparseBytes {
  private readonly pages = new Map<number, Uint8Array>()

  get allocatedBytes(): number {
    return this.pages.size * PAGE
  }

  read(offset: number, length: number): Uint8Array[] {
    const pieces: Uint8Array[] = []
    for (let at = offset; at < offset + length;) {
      const inside = at % PAGE
      const count = Math.min(PAGE - inside, offset + length - at)
      pieces.push(this.pages.get(Math.floor(at / PAGE))?.subarray(inside, inside + count) ?? new Uint8Array(count))
      at += count
    }
    return pieces
  }

  write(offset: number, data: Uint8Array): void {
    for (let done = 0; done < data.length;) {
      const at = offset + done
      const inside = at % PAGE
      const count = Math.min(PAGE - inside, data.length - done)
      this.page(Math.floor(at / PAGE)).set(data.subarray(done, done + count), inside)
      done += count
    }
  }

  private page(index: number): Uint8Array {
    let page = this.pages.get(index)
    if (page === undefined) {
      page = new Uint8Array(PAGE)
      this.pages.set(index, page)
    }
    return page
  }

  /** Writes zeros to `from … to`; whole pages are freed. */
  clear(from: number, to: number): void {
    for (const [index, page] of this.pages) {
      const start = index * PAGE
      if (from <= start && start + PAGE <= to) this.pages.delete(index)
      else if (start < to && from < start + PAGE) page.fill(0, Math.max(0, from - start), Math.min(PAGE, to - start))
    }
  }

  /** Start of the next data or hole at or after `offset`; undefined if there is none before `size`. */
  find(kind: 'data' | 'hole', offset: number, size: number): number | undefined {
    if (offset >= size) return undefined
    const present = [...this.pages.keys()].sort((a, b) => a - b)
    if (kind === 'data') {
      const index = present.find((candidate) => (candidate + 1) * PAGE > offset)
      return index === undefined || index * PAGE >= size ? undefined : Math.max(offset, index * PAGE)
    }
    let at = offset
    while (at < size && this.pages.has(Math.floor(at / PAGE))) at = (Math.floor(at / PAGE) + 1) * PAGE
    return Math.min(at, size)
  }
}
