import test from 'ava'
import { isDriveError, seededRandom } from '../../base/index.js'
import { buildMap, type MapRow } from '../../dag/index.js'
import { MemoryBlocks } from '../../../test/support/dag/blocks.js'
import { MemoryEnvironment } from '../../../test/support/sync/memory-environment.js'
import { openTables } from '../tables/queue-tables.js'
import { countNode, countUncounted } from './count-version.js'

const undecodable = (i: number): MapRow => [Buffer.from(String(i).padStart(6, '0')), Buffer.alloc(200, 0x82)]

test('S-221 a count that is cancelled ends before the next node of a group that was fetched together', async (t) => {
  const random = seededRandom(950)
  const map = buildMap(
    Array.from({ length: 3_000 }, (_, i) => undecodable(i)),
    { random },
  )
  const queue = new MemoryEnvironment()
  const tables = openTables(queue)
  const leaves = map.nodes.filter(({ level }) => level === 0).length
  t.true(leaves > 2 && leaves <= 16)
  const stop = new AbortController()
  let gaps = 0
  const onGap = (): void => {
    gaps++
    stop.abort()
  }
  const counter = { tables, queue, fetch: new MemoryBlocks().add(map.blocks).fetch, onGap }
  countNode(map.ref, 'directory', counter)
  t.true(isDriveError(await t.throwsAsync(countUncounted(counter, stop.signal)), 'ABORTED'))
  t.is(gaps, 1)
  t.is([...tables.uncounted.keys()].length, leaves - 1)
  await countUncounted(counter, new AbortController().signal)
  t.deepEqual([gaps, [...tables.uncounted.keys()].length], [leaves, 0])
})
