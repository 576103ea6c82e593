/** Sorts the entries of a directory by the bytes of their names. The tables order them by hash. */
import type { PlainName } from '../../base/index.js'
import type { Pace } from './pace.js'

interface Named {
  readonly name: PlainName
}

/** Maximum number of names in memory. A larger directory is read once for each batch of this size. */
const NAMES_AT_ONCE = 200_000

/** @param entries starts a new read of all entries, in any order; every read yields the same entries */
export async function* sortedEntries<Entry extends Named>(
  entries: () => Iterable<Entry>,
  pace: Pick<Pace, 'step'>,
  most: number = NAMES_AT_ONCE,
): AsyncGenerator<Entry, undefined> {
  for (let after: PlainName | undefined; ;) {
    const { names, isAll } = await firstNames(entries(), after, most, pace)
    yield* names
    if (isAll) return
    after = names.at(-1)?.name
  }
}

/** The first `most` names after `after`. Keeps at most twice as many in memory meanwhile. */
async function firstNames<Entry extends Named>(
  entries: Iterable<Entry>,
  after: PlainName | undefined,
  most: number,
  pace: Pick<Pace, 'step'>,
): Promise<{ names: readonly Entry[]; isAll: boolean }> {
  const names: Entry[] = []
  let last: PlainName | undefined
  const cut = (): void => {
    names.sort((a, b) => (a.name < b.name ? -1 : 1))
    if (names.length <= most) return
    names.length = most
    last = names[most - 1]!.name
  }
  for (const entry of entries) {
    await pace.step()
    if ((after !== undefined && entry.name <= after) || (last !== undefined && entry.name > last)) continue
    names.push(entry)
    if (names.length >= 2 * most) cut()
  }
  cut()
  return { names, isAll: last === undefined }
}
