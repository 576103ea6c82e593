/**
 * Runs `load` over `items` with at most `width` in flight and yields the results in order. The next items load while
 * the consumer works. An error or an early return leaves no unhandled rejection.
 */
export async function* prefetch<Item, Result>(
  items: Iterable<Item>,
  width: number,
  load: (item: Item) => Promise<Result>,
): AsyncGenerator<Result, void, undefined> {
  const waiting: Promise<Result>[] = []
  const source = items[Symbol.iterator]()
  const fill = (): void => {
    while (waiting.length < width) {
      const next = source.next()
      if (next.done === true) return
      const loading = load(next.value)
      // The consumer sees this rejection when it awaits the item. Until then it must not count as unhandled.
      loading.catch(() => undefined)
      waiting.push(loading)
    }
  }
  fill()
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const result = await next
    fill()
    yield result
  }
}
