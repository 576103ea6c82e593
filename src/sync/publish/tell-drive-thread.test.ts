import test from 'ava'
import { encodeDamaged, encodeDelta, type DamageState } from '../../commits/index.js'
import { be64 } from '../../storage/kv/index.js'
import { chunkKey, encodeChunk, type PublishedCommit } from '../../tree-state/index.js'
import { MemoryEnvironment } from '../../../test/support/sync/memory-environment.js'
import { SyncState } from '../state/sync-state.js'
import { tellDriveThread } from './tell-drive-thread.js'

const PLAN = { sequence: 7, removedBefore: 3 }

async function told(fill: (state: SyncState) => void): Promise<PublishedCommit[]> {
  const state = new SyncState(new MemoryEnvironment())
  fill(state)
  await state.queue.commit()
  const messages: PublishedCommit[] = []
  await tellDriveThread(PLAN, state, { published: (commit) => Promise.resolve(void messages.push(commit)) })
  return messages
}

const digest = (i: number): Uint8Array => Buffer.concat([be64(i), Buffer.alloc(24)])
const chunk = (offset: number): Uint8Array =>
  encodeChunk({ offset, length: 1, skip: 0, digest: digest(offset), key: digest(1), born: 7 })

test('S-038 however much a version changed, each message to the drive thread has a bounded length', async (t) => {
  const [refs, files, rows, leaves] = [25_000, 3_000, 5, 25_000]
  const messages = await told(({ tables }) => {
    for (let i = 0; i < refs; i++) tables.refs.put(be64(i), Buffer.concat([digest(i), digest(i)]))
    for (let i = 0; i < files * rows; i++) tables.merged.put(chunkKey(Math.floor(i / rows), i % rows), chunk(i % rows))
    for (let i = 0; i < leaves; i++)
      tables.delta.put(digest(i), encodeDelta({ change: i % 2 === 0 ? 1 : -1, kind: 'leaf', sizeBytes: 1 }))
  })
  for (const { refs: some, merged, confirmed, discarded } of messages) {
    t.true(some.length <= 10_000)
    t.true(merged.flatMap((file) => file.rows).length <= 32)
    t.true(confirmed.length + discarded.length <= 10_000)
  }
  t.deepEqual(
    messages.flatMap((message) => message.refs.map(({ ino }) => ino)),
    Array.from({ length: refs }, (_, i) => i),
  )
  const merged = messages.flatMap((message) => message.merged)
  t.deepEqual(
    merged.filter(({ isContinued }) => isContinued !== true).map(({ ino }) => ino),
    Array.from({ length: files }, (_, i) => i),
    'a divided file is continued in the next message',
  )
  t.is(merged.flatMap((file) => file.rows).length, files * rows)
  t.is(messages.flatMap((message) => message.confirmed).length, leaves / 2)
  t.is(messages.flatMap((message) => message.discarded).length, leaves / 2)
  const firstLast = messages.findIndex(({ part }) => part!.isLast)
  t.deepEqual(
    messages.slice(0, firstLast + 1).map(({ part }) => part!.index),
    Array.from({ length: firstLast + 1 }, (_, i) => i),
  )
  for (const { part, refs: some, merged: none } of messages.slice(firstLast + 1)) {
    t.true(part!.isLast)
    t.is(some.length + none.length, 0)
  }
  for (const { confirmed, discarded } of messages.slice(0, firstLast)) t.is(confirmed.length + discarded.length, 0)
})

test('a small version is one message, an empty one too', async (t) => {
  const small = await told(({ tables }) => {
    tables.refs.put(be64(5), new Uint8Array(0))
    tables.delta.put(digest(1), encodeDelta({ change: 1, kind: 'leaf', sizeBytes: 1 }))
  })
  t.is(small.length, 1)
  t.deepEqual(small[0]!.refs, [{ ino: 5, ref: undefined }])
  t.is((await told(() => undefined)).length, 1)
})

test('S-031 a block that the node has not given back since damage was found is not called confirmed', async (t) => {
  const states: DamageState[] = ['open', 'healed', 'lost', 'exchange', 'replaced', 'pending']
  const messages = await told(({ tables }) => {
    for (const [i, state] of states.entries()) {
      tables.delta.put(digest(i), encodeDelta({ change: 1, kind: 'leaf', sizeBytes: 1 }))
      tables.damaged.put(digest(i), encodeDamaged({ state, kind: 'damaged', codec: 'raw' }))
    }
    tables.delta.put(digest(9), encodeDelta({ change: 1, kind: 'leaf', sizeBytes: 1 }))
  })
  t.deepEqual(
    messages.flatMap(({ confirmed }) => confirmed),
    [digest(states.indexOf('healed')), digest(9)].map((bytes) => Uint8Array.from(bytes)),
  )
})
