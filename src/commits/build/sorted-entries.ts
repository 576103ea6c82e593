/** Sorts the entries of a directory by the bytes of their names. The tables order them by hash. */
import type { PlainName } from '../../base/index.js'
import type { DentryRecord } from '../../tree-state/index.js'
import type { Pace } from './pace.js'

type NamedInode = Pick<DentryRecord, 'name' | 'ino'>

/** Maximum number of names in memory. A larger directory is read once for each batch of this size. */
const NAMES_AT_ONCE = 200_000

/** @param entries starts a new read of all entries, in any order; every read yields the same entries */
export async function* sortedEntries(
  entries: () => Iterable<NamedInode>,
  pace: Pick<Pace, 'step'>,
  most: number = NAMES_AT_ONCE,
): AsyncGenerator<NamedInode, undefined> {
  for (let after: PlainName | undefined; ;) {
    const { names, isAll } = await firstNames(entries(), after, most, pace)
    yield* names
    if (isAll) return
    after = names.at(-1)?.name
  }
}

/** The first `most` names after `after`. Keeps at most twice as many in memory meanwhile. */
async function firstNames(
  entries: Iterable<NamedInode>,
  after: PlainName | undefined,
  most: number,
  pace: Pick<Pace, 'step'>,
): Promise<{ names: readonly NamedInode[]; isAll: boolean }> {
  const names: NamedInode[] = []
  let last: PlainName | undefined
  const cut = (): void => {
    names.sort((a, b) => (a.name < b.name ? -1 : 1))
    if (names.length <= most) return
    names.length = most
    last = names[most - 1]!.name
  }
  for (const { name, ino } of entries) {
    await pace.step()
    if ((after !== undefined && name <= after) || (last !== undefined && name > last)) continue
    names.push({ name, ino })
    if (names.length >= 2 * most) cut()
  }
  cut()
  return { names, isAll: last === undefined }
}
