/** Tests of the transport: failures that fetch cannot see, and no leaked resources. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { failsWith } from '../../../test/suites/node.suite.js'
import { pinTreeOver, rawBlocks } from '../../../test/suites/node-material.js'
import { requireKubo, testWithKubo } from '../../../test/kubo/require-kubo.js'
import { silentLog, systemClock, systemRandom } from '../../base/index.js'
import { DEFAULT_TIMEOUTS, openNode } from '../index.js'
import { endpointOf } from './endpoint.js'
import { KuboRpc } from './rpc.js'
import { streamedFile } from './send-body.js'

function rpcAt(t: ExecutionContext, url: string, credentials?: string): KuboRpc {
  const rpc = new KuboRpc(endpointOf(new URL(url), { credentials }), { ...DEFAULT_TIMEOUTS, idleMs: 5000 }, '9.9.9')
  t.teardown(() => rpc.close())
  return rpc
}

testWithKubo('a failure that a real Kubo reports in the trailer, after the answer began, is seen', async (t) => {
  const daemon = await requireKubo(t)
  const node = await openNode(daemon.url, {
    dataDirectory: '/x',
    clock: systemClock,
    log: silentLog,
    random: systemRandom,
  })
  t.teardown(() => node.close())
  const forest = pinTreeOver(rawBlocks(40, 200, 6))
  await node.importBlocks(
    forest.blocks.filter((block) => block !== forest.nodes[3]),
    { roots: [forest.root] },
  )
  const answer = await rpcAt(t, daemon.url).call('pin/add', {
    query: { arg: forest.root, progress: true, timeout: '1800ms' },
  })
  let seen = 0
  const read = async (): Promise<void> => {
    for await (const _line of answer.lines()) seen++
  }
  await failsWith(t, ['TIMEOUT'], read())
  t.true(seen > 0, 'the answer had begun')
})

async function serve(
  t: ExecutionContext,
  handle: (incoming: IncomingMessage, answer: ServerResponse) => void,
): Promise<string> {
  const server = createServer(handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('calls are POST with our user agent and the exact authorization; connections are kept', async (t) => {
  const seen: IncomingMessage[] = []
  const sockets = new Set<unknown>()
  const url = await serve(t, (incoming, answer) => {
    seen.push(incoming)
    sockets.add(incoming.socket)
    incoming.resume()
    answer.end('{"ok":true}')
  })
  const rpc = rpcAt(t, `${url}/behind/a/proxy/`, 'basic:ada:love lace')
  for (let at = 0; at < 10; at++)
    t.deepEqual(await (await rpc.call('version', { query: { arg: ['a b', 'c&d'], x: true } })).json(), { ok: true })
  t.is(seen[0]!.method, 'POST')
  t.is(seen[0]!.url, '/behind/a/proxy/api/v0/version?arg=a+b&arg=c%26d&x=true')
  t.is(seen[0]!.headers['user-agent'], 'dagdrive/9.9.9')
  t.is(seen[0]!.headers.authorization, `Basic ${Buffer.from('ada:love lace').toString('base64')}`)
  t.is(sockets.size, 1)
})

test('a slow node slows the upload: the data waiting in memory is bounded', async (t) => {
  let received = 0
  const url = await serve(t, (incoming, answer) => {
    const read = (): void => {
      const part = incoming.read(64 * 1024) as Buffer | null
      if (part !== null) received += part.byteLength
    }
    const timer = setInterval(read, 2)
    incoming.on('readable', () => undefined)
    incoming.on('end', () => {
      clearInterval(timer)
      answer.end('{}')
    })
    incoming.on('close', () => clearInterval(timer))
  })
  let made = 0
  let mostAhead = 0
  const source = async function* (): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < 300; at++) {
      made += 128 * 1024
      mostAhead = Math.max(mostAhead, made - received)
      yield new Uint8Array(128 * 1024)
    }
  }
  await (await rpcAt(t, url).call('dag/import', { body: streamedFile('file', source(), 'boundary') })).drain()
  t.true(mostAhead < 24 * 1024 * 1024, `${mostAhead} bytes ahead of the node`)
})

test('responses that are not from Kubo are NODE_ERROR, not a crash', async (t) => {
  const answers = ['<html>hello</html>', '{"half":', '']
  for (const text of answers) {
    const url = await serve(t, (_incoming, answer) => answer.end(text))
    const node = await openNode(url, { dataDirectory: '/x', clock: systemClock, log: silentLog, random: systemRandom })
    await failsWith(t, ['NODE_ERROR'], node.check())
    await node.close()
  }
  const missing = await serve(t, (_incoming, answer) => answer.writeHead(404).end('404 page not found'))
  await failsWith(t, ['NODE_ERROR'], rpcAt(t, missing).call('version'))
  const old = await serve(t, (_incoming, answer) => answer.end('{"Version":"0.39.0"}'))
  const node = await openNode(old, { dataDirectory: '/x', clock: systemClock, log: silentLog, random: systemRandom })
  await failsWith(t, ['NODE_ERROR'], node.check())
  await node.close()
})
