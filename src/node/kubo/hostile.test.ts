/** Answers no Kubo gives: they end as NODE_ERROR, with nothing in them that a terminal would obey. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { DriveError, silentLog, systemClock, systemRandom } from '../../base/index.js'
import { publicKeyOfSeed } from '../../crypto/index.js'
import { nameOfKey } from '../../dag/index.js'
import { cidText, CODEC } from '../cid.js'
import { openNode, type IpfsNode } from '../index.js'

async function nodeThatSays(
  t: ExecutionContext,
  answers: Readonly<Record<string, string>>,
  status = 200,
  credentials?: string,
): Promise<IpfsNode> {
  const server = createServer((request, answer) => {
    request.resume().on('end', () => {
      answer.writeHead(status)
      answer.end(answers[/v0\/([a-z/]+)/.exec(request.url ?? '')?.[1] ?? ''] ?? '{}')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`
  const node = await openNode(address, {
    dataDirectory: '/nonexistent',
    clock: systemClock,
    log: silentLog,
    random: systemRandom,
    credentials,
  })
  t.teardown(async () => {
    await node.close()
    server.closeAllConnections()
    server.close()
  })
  return node
}

const CID = cidText(Buffer.alloc(32, 1), CODEC.DAG_PB)
const CALLS: readonly [string, string, (node: IpfsNode) => Promise<unknown>][] = [
  ['version', 'check', (node) => node.check()],
  ['pin/ls', 'listPins', (node) => node.listPins()],
  ['pin/add', 'pin', (node) => node.pin(CID, { name: 'x' })],
  ['pin/update', 'updatePin', (node) => node.updatePin(CID, cidText(Buffer.alloc(32, 2), CODEC.DAG_PB))],
  ['dag/import', 'importBlocks', (node) => node.importBlocks([], { roots: [] })],
  ['repo/gc', 'collectGarbage', (node) => node.collectGarbage()],
]

for (const text of ['null', '5', '"text"', 'true', '{', 'null\nnull']) {
  test(`a node that answers ${JSON.stringify(text)} is a failing node, not a failing program`, async (t) => {
    for (const [command, method, call] of CALLS) {
      const node = await nodeThatSays(t, { [command]: text })
      const error = await t.throwsAsync(call(node), { instanceOf: DriveError }, method)
      t.is(error?.code, 'NODE_ERROR', method)
    }
  })
}

test('what a node says of itself, or as a reason, cannot command a terminal', async (t) => {
  const escape = '\u001b]0;owned\u0007\u001b[2J\u202e'
  const named = await nodeThatSays(t, {
    version: JSON.stringify({ Version: `0.43.0${escape}` }),
    id: JSON.stringify({ ID: escape }),
    'repo/stat': JSON.stringify({ RepoSize: escape }),
  })
  const status = await named.check()
  t.notRegex(JSON.stringify(Object.values(status).map(String)), /\\u001b|\\u0007|\u202e/)
  const refusing = await nodeThatSays(t, { 'pin/ls': JSON.stringify({ Message: `no ${escape}` }) }, 500)
  const error = await t.throwsAsync<DriveError>(refusing.listPins(), { instanceOf: DriveError })
  t.notRegex(`${error?.message} ${Object.values(error?.about ?? {}).join(' ')}`, /\p{Cc}|\p{Cf}/u)
})

test('a credential that a server repeats in its error is not in ours', async (t) => {
  for (const [credentials, sent] of [
    ['bearer:s3cret-token', 'Bearer s3cret-token'],
    ['basic:ada:lovelace', `Basic ${Buffer.from('ada:lovelace').toString('base64')} lovelace`],
  ] as const) {
    const node = await nodeThatSays(t, { 'pin/ls': `you sent authorization: ${sent}` }, 500, credentials)
    const error = await t.throwsAsync<DriveError>(node.listPins(), { instanceOf: DriveError })
    const said = String(error?.about['said'])
    t.regex(said, /hidden/)
    t.notRegex(said, /s3cret|lovelace|YWRh/)
  }
})

test('an answer that trickles for ever is given up', async (t) => {
  const server = createServer((request, answer) => {
    const timer = setInterval(() => answer.write(' '), 20)
    answer.on('close', () => clearInterval(timer))
    request.resume()
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
  const name = nameOfKey(publicKeyOfSeed(new Uint8Array(32)))
  const calls = [node.check(), node.getBlock(CID), node.missing([CID]), node.getName(name)]
  for (const call of calls) t.is((await t.throwsAsync<DriveError>(call))?.code, 'TIMEOUT')
})
