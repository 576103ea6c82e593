import test, { type ExecutionContext } from 'ava'
import { MessageChannel } from 'node:worker_threads'
import { DriveError, sleep } from '../../base/index.js'
import { connectRpc, transfer, remoteMethods, type Handlers, type Rpc } from './rpc.js'

function pair(t: ExecutionContext, left: Handlers, right: Handlers): [Rpc, Rpc] {
  const { port1, port2 } = new MessageChannel()
  const ends: [Rpc, Rpc] = [connectRpc(port1, left), connectRpc(port2, right)]
  t.teardown(() => {
    port1.close()
    port2.close()
  })
  return ends
}

test('both sides call each other and pass bytes and undefined', async (t) => {
  const [left, right] = pair(
    t,
    { twice: (n: number) => n * 2 },
    { bytes: (given: Uint8Array) => [given.length, undefined, given] },
  )
  const face = remoteMethods<{ bytes(given: Uint8Array): Promise<unknown> }>(left, ['bytes'])
  t.deepEqual(await face.bytes(new Uint8Array([7])), [1, undefined, new Uint8Array([7])])
  t.is(await right.call('twice', [4]), 8)
})

test('transferred bytes arrive and are detached here; bytes in shared memory are copied', async (t) => {
  const own = Buffer.alloc(5000, 1)
  const shared = Buffer.alloc(100, 2).subarray(10, 20)
  const [left] = pair(t, {}, { take: () => transfer([own, undefined, shared, own]) })
  const got = (await left.call('take', [])) as (Uint8Array | undefined)[]
  t.deepEqual(got, [new Uint8Array(5000).fill(1), undefined, new Uint8Array(10).fill(2), new Uint8Array(5000).fill(1)])
  t.is(own.length, 0)
  t.is(shared.length, 10)
})

test('an error keeps its code; an unknown method and an answer that cannot be cloned are errors', async (t) => {
  const [left] = pair(
    t,
    {},
    {
      full: () => Promise.reject(new DriveError('NO_SPACE', 'Full.')),
      odd: () => () => undefined,
    },
  )
  t.is((await t.throwsAsync(left.call('full', []), { instanceOf: DriveError })).code, 'NO_SPACE')
  t.is((await t.throwsAsync(left.call('odd', []), { instanceOf: DriveError })).code, 'INTERNAL')
  t.is((await t.throwsAsync(left.call('nothing', []), { instanceOf: DriveError })).code, 'INTERNAL')
})

test('an aborted signal reaches the other side', async (t) => {
  const [left] = pair(t, {}, { wait: (_what: string, signal: AbortSignal) => sleep(10_000, signal) })
  const gone = new AbortController()
  const call = left.call('wait', ['it', gone.signal])
  setTimeout(() => gone.abort(), 20)
  t.is((await t.throwsAsync(call, { instanceOf: DriveError })).code, 'ABORTED')
})

test('when the other side dies, calls in flight and later calls fail', async (t) => {
  const [left] = pair(t, {}, { wait: () => sleep(50) })
  const call = left.call('wait', [])
  left.fail(new DriveError('INTERNAL', 'It died.'))
  await t.throwsAsync(call, { message: 'It died.' })
  await t.throwsAsync(left.call('wait', []), { message: 'It died.' })
})
