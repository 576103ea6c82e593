import { createHash } from 'node:crypto'
import test from 'ava'
import { DriveError, isDriveError, sleep, type Digest } from '../../base/index.js'
import type { IpfsNode } from '../../node/index.js'
import { VirtualClock } from '../../../test/support/virtual-clock.js'
import { NodeReader } from './node-reader.js'

const sha256 = (data: Uint8Array): Digest => new Uint8Array(createHash('sha256').update(data).digest())
const blocks = Array.from({ length: 40 }, (_, i) => Buffer.from(`block ${i}`))
const digests = blocks.map(sha256)

function reader(getBlock: IpfsNode['getBlock'], clock = new VirtualClock()): NodeReader {
  return new NodeReader({ node: { getBlock }, core: { sha256 }, clock, concurrentFetches: 4, offlineMs: 1000 })
}

/** A node that answers after a delay, and counts the calls. */
function slowNode(): { getBlock: IpfsNode['getBlock']; asked: number; most: number; stopped: number } {
  let running = 0
  let next = 0
  const node = {
    asked: 0,
    most: 0,
    stopped: 0,
    getBlock: async (_cid: string, { signal }: { signal?: AbortSignal } = {}) => {
      node.asked++
      node.most = Math.max(node.most, ++running)
      const mine = blocks[next++ % blocks.length]!
      try {
        await sleep(5, signal)
      } catch (error) {
        node.stopped++
        throw error
      } finally {
        running--
      }
      return mine
    },
  }
  return node
}

test('R-15 blocks are fetched in parallel, no more than allowed, and given in the order asked', async (t) => {
  const node = slowNode()
  const found = await reader(node.getBlock).fetchBlocks(digests)
  t.deepEqual(found.map(String), blocks.map(String))
  t.is(node.most, 4)
})

test('concurrent reads of one block share one fetch', async (t) => {
  const node = slowNode()
  const source = reader(node.getBlock)
  await Promise.all([
    source.fetchBlocks([digests[0]!]),
    source.fetchBlocks([digests[0]!]),
    source.fetchBlocks([digests[0]!]),
  ])
  t.is(node.asked, 1)
})

test('one cancelled reader does not stop the fetch; the last one does', async (t) => {
  let [asked, stopped] = [0, 0]
  const answers: (() => void)[] = []
  const source = reader((_cid, { signal } = {}) => {
    asked++
    return new Promise((resolve, reject) => {
      answers.push(() => resolve(blocks[0]!))
      signal?.addEventListener('abort', () => {
        stopped++
        reject(new DriveError('ABORTED', 'The operation was cancelled.'))
      })
    })
  })
  const [one, two, three] = [new AbortController(), new AbortController(), new AbortController()]
  const first = source.fetchBlocks([digests[0]!], one.signal)
  const second = source.fetchBlocks([digests[0]!], two.signal)
  one.abort()
  t.true(isDriveError(await t.throwsAsync(first), 'ABORTED'))
  t.deepEqual([asked, stopped], [1, 0], 'the other still waits')
  answers[0]!()
  t.is((await second).length, 1)
  const third = source.fetchBlocks([digests[0]!], three.signal)
  await turn()
  t.is(asked, 2)
  three.abort()
  t.true(isDriveError(await t.throwsAsync(third), 'ABORTED'))
  t.is(stopped, 1)
})

/** Lets all pending work run as far as it can without an answer. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('a wrong block is never accepted', async (t) => {
  const error = await t.throwsAsync(reader(async () => blocks[1]!).fetchBlocks([digests[0]!]))
  t.true(isDriveError(error, 'WRONG_BLOCK'))
})

test('after an offline failure, fetches fail at once for a while, then try again', async (t) => {
  const clock = new VirtualClock()
  let asked = 0
  let isOffline = true
  const source = reader(async () => {
    asked++
    if (isOffline) throw new DriveError('OFFLINE', 'The node cannot be reached.')
    return blocks[0]!
  }, clock)
  t.true(isDriveError(await t.throwsAsync(source.fetchBlocks([digests[0]!])), 'OFFLINE'))
  t.true(isDriveError(await t.throwsAsync(source.fetchBlocks([digests[0]!])), 'OFFLINE'))
  t.is(asked, 1)
  isOffline = false
  await clock.advance(1001)
  await source.fetchBlocks([digests[0]!])
  t.is(asked, 2)
})
