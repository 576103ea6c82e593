/** The entries of a directory in byte order of their names, which the tables do not have in that order. */
import type { PlainName } from '../../base/index.js'
import type { DentryRecord } from '../../tree-state/index.js'
import type { Pace } from './pace.js'

type NamedInode = Pick<DentryRecord, 'name' | 'ino'>

/** Names in memory: the entries of a larger directory are read again for each so many. */
const NAMES_AT_ONCE = 200_000

/** @param entries begins to read them, in any order; the same each time */
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

/** The first `most` behind `after`. At most twice as many are kept on the way. */
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
