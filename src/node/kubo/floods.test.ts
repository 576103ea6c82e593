/** Responses that cost far more than their bytes: the calls end after a bounded number of lines and of responses. */
import { createServer as createHttpServer } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { DriveError, MIB, silentLog, systemClock, systemRandom } from '../../base/index.js'
import { cidOf } from '../../dag/index.js'
import { everyCall } from '../../../test/support/node/every-call.js'
import { openNode, type IpfsNode } from '../index.js'

const CID = cidOf(Buffer.alloc(32, 1), 'dag-pb')

/** A node that answers every request with `head`, and then with `piece` for ever. It counts the bytes of the pieces. */
async function flood(
  t: ExecutionContext,
  head: string,
  piece: string,
): Promise<{ readonly node: IpfsNode; readonly sent: () => number }> {
  let sent = 0
  const server = createServer((socket) => {
    const say = (): void => {
      while (!socket.destroyed) {
        sent += piece.length
        if (!socket.write(piece)) return
      }
    }
    socket.on('error', () => undefined)
    socket.once('data', () => {
      socket.on('drain', say)
      socket.write(head)
      say()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const clients = new Set<{ destroy(): void }>()
  server.on('connection', (socket) => clients.add(socket))
  const node = await openNode(`http://127.0.0.1:${String((server.address() as AddressInfo).port)}`, {
    dataDirectory: '/nonexistent',
    clock: systemClock,
    log: silentLog,
    random: systemRandom,
    // No limit of time ends a call here.
    timeouts: { idleMs: 3_600_000, nameMs: 3_600_000, blockMs: 3_600_000, workMs: 3_600_000 },
  })
  t.teardown(async () => {
    await node.close()
    for (const client of clients) client.destroy()
    server.close()
  })
  return { node, sent: () => sent }
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n'
/** Far above what the sockets of both sides hold. */
const MOST_SENT = 32 * MIB

for (const [what, line] of Object.entries({ 'rows without fields': '{}\n', 'empty lines': '\n' })) {
  test(`S-131 a list of pins with ${what} ends after a bounded number of lines`, async (t) => {
    const { node, sent } = await flood(t, OK, line.repeat(20_000))
    for (const call of [node.listPins({ name: 'x' }), node.listPins(), node.pin(CID, { name: 'x' })]) {
      t.is((await t.throwsAsync<DriveError>(call, { instanceOf: DriveError }))?.code, 'NODE_ERROR')
    }
    t.true(sent() < 3 * MOST_SENT, `${sent()} bytes`)
  })
}

test('S-131 the answer whether one version is pinned has a bounded size', async (t) => {
  const { node, sent } = await flood(t, `${OK}{"Keys":{`, `"${CID}":{"Type":"recursive"},`.repeat(500))
  const error = await t.throwsAsync<DriveError>(node.updatePin(CID, CID), { instanceOf: DriveError })
  t.is(error?.code, 'NODE_ERROR')
  t.true(sent() < MOST_SENT, `${sent()} bytes`)
})

for (const status of ['100 Continue', '102 Processing', '103 Early Hints']) {
  test(`S-131 interim responses (${status}) without end are an error of the node, for every kind of call`, async (t) => {
    const { node } = await flood(t, '', `HTTP/1.1 ${status}\r\n\r\n`.repeat(100))
    const calls = {
      probe: node.probe(),
      getBlock: node.getBlock(CID),
      listPins: node.listPins(),
      importBlocks: node.importBlocks([], { roots: [] }),
    }
    for (const [call, answer] of Object.entries(calls)) {
      t.is((await t.throwsAsync<DriveError>(answer, { instanceOf: DriveError }, call))?.code, 'NODE_ERROR', call)
    }
  })
}

/** A node that answers every call by sending `piece` repeatedly until the client disconnects. */
async function endlessNode(t: ExecutionContext, piece: string, everyMs: number): Promise<IpfsNode> {
  const server = createHttpServer((request, answer) => {
    const say = (): void => {
      if (everyMs > 0) answer.write(piece)
      else while (!answer.destroyed && answer.write(piece)) continue
    }
    const timer = everyMs > 0 ? setInterval(say, everyMs) : undefined
    if (everyMs === 0) answer.on('drain', say)
    answer.on('close', () => clearInterval(timer))
    request.resume()
    say()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const node = await openNode(`http://127.0.0.1:${String((server.address() as AddressInfo).port)}`, {
    dataDirectory: '/nonexistent',
    clock: systemClock,
    log: silentLog,
    random: systemRandom,
    timeouts: { idleMs: 200, nameMs: 100, blockMs: 100, workMs: 100 },
  })
  t.teardown(async () => {
    await node.close()
    server.closeAllConnections()
    server.close()
  })
  return node
}

const TRICKLES = {
  spaces: ' ',
  lines: '{}\n',
  'progress of a pin': '{"Progress":1}\n',
  'removed blocks': '{"Key":{"/":"bafy"}}\n',
}

for (const [what, piece] of Object.entries(TRICKLES)) {
  test(`S-047 an endless slow response (${what}) is given up, for every command`, async (t) => {
    const node = await endlessNode(t, piece, 20)
    for (const [call, answer] of Object.entries(everyCall(node))) {
      const error = await t.throwsAsync<DriveError>(answer, { instanceOf: DriveError }, call)
      t.true(['TIMEOUT', 'NODE_ERROR'].includes(error?.code ?? ''), `${call}: ${error?.code}`)
    }
  })
}

const FLOODS = {
  'one line without an end': 'x'.repeat(64 * 1024),
  'blank lines': '\n'.repeat(64 * 1024),
  'pins with long names': `${JSON.stringify({ Cid: CID, Name: 'n'.repeat(60_000) })}\n`,
  'pins of another drive': `${JSON.stringify({ Cid: CID, Name: 'other' })}\n`.repeat(500),
  'removed blocks': `${JSON.stringify({ Key: { '/': CID } })}\n`.repeat(500),
}

for (const [what, piece] of Object.entries(FLOODS)) {
  test.serial(`S-047 an endless fast response (${what}) is given up before it fills the memory`, async (t) => {
    const node = await endlessNode(t, piece, 0)
    const before = process.memoryUsage().rss
    for (const [call, answer] of Object.entries(everyCall(node))) {
      const error = await t.throwsAsync<DriveError>(answer, { instanceOf: DriveError }, call)
      t.true(['TIMEOUT', 'NODE_ERROR'].includes(error?.code ?? ''), `${call}: ${error?.code}`)
    }
    const grownMiB = (process.memoryUsage().rss - before) / 2 ** 20
    t.true(grownMiB < 500, `${grownMiB} MiB more`) // garbage of some ten answers; the flood itself is gigabytes
  })
}
