/** Responses that no Kubo sends: they fail with NODE_ERROR, and the error has no terminal control characters. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { DriveError, silentLog, systemClock, systemRandom } from '../../base/index.js'
import { publicKeyOfSeed } from '../../crypto/index.js'
import { cidOf, nameOfKey } from '../../dag/index.js'
import { everyCall } from '../../../test/support/node/every-call.js'
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

const CID = cidOf(Buffer.alloc(32, 1), 'dag-pb')
const CALLS: readonly [string, string, (node: IpfsNode) => Promise<unknown>][] = [
  ['version', 'check', (node) => node.check()],
  ['pin/ls', 'listPins', (node) => node.listPins()],
  ['pin/add', 'pin', (node) => node.pin(CID, { name: 'x' })],
  ['pin/update', 'updatePin', (node) => node.updatePin(CID, cidOf(Buffer.alloc(32, 2), 'dag-pb'))],
  ['dag/import', 'importBlocks', (node) => node.importBlocks([], { roots: [] })],
  ['repo/gc', 'collectGarbage', (node) => node.collectGarbage()],
]

for (const text of ['null', '5', '"text"', 'true', '{', 'null\nnull']) {
  test(`a node that answers ${JSON.stringify(text)} is reported as an error of the node, not as a bug of this program`, async (t) => {
    for (const [command, method, call] of CALLS) {
      const node = await nodeThatSays(t, { [command]: text })
      const error = await t.throwsAsync(call(node), { instanceOf: DriveError }, method)
      t.is(error?.code, 'NODE_ERROR', method)
    }
  })
}

test('the version and error texts of a node contain no terminal control characters', async (t) => {
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

test("S-168 the node's own words are in the message: one quoted line of bounded length, without credentials", async (t) => {
  for (const [credentials, body] of [
    ['bearer:s3cret&token', 'disk I/O error for Bearer s3cret&token'],
    ['bearer:s3cret&token', JSON.stringify({ Message: 'disk I/O error: s3cret&token', Type: 'error' })],
    ['bearer:s3cret&token', '{"Message":"disk I/O error: s3cret\\u0026token","Type":"error"}'],
    [
      'bearer:s3cret&token',
      '<html><b>disk I/O error</b>\n\n s3cret&amp;token s3cret%26token s3cret\\u0026token</html>',
    ],
    ['basic:ada:lovelace', `disk I/O error ${Buffer.from('ada:lovelace').toString('base64')} lovelace`],
    [undefined, 'disk I/O error at http://ada:lovelace@upstream, Authorization: Basic YWRhbG92'],
    [undefined, `"disk I/O error\u001b[2J\u202e\r\n" ${'long '.repeat(1000)}`],
  ] as const) {
    const node = await nodeThatSays(t, { 'pin/ls': body }, 500, credentials)
    const error = await t.throwsAsync<DriveError>(node.listPins(), { instanceOf: DriveError })
    const shown = `${error?.message} ${Object.values(error?.about ?? {}).join(' ')}`
    t.regex(error?.message ?? '', /failed in pin\/ls.* It said: "[^"]*disk I\/O error[^"]*"\.$/, body)
    t.notRegex(error?.message ?? '', /s3cret|lovelace|YWRh|\p{Cc}|\p{Cf}|[<>]/u)
    t.notRegex(shown, /s3cret|lovelace|YWRh/)
    t.true((error?.message.length ?? 1000) < 300)
  }
})

test('S-168 no part of an error has a credential: neither the text, nor the fields that --json shows', async (t) => {
  const cut = Buffer.from('usr:SuperSecret99').toString('base64').slice(0, 18)
  const long = '-'.repeat(290)
  for (const words of [
    `header was: Basic ${cut}...`,
    `key dXNyOlN1cGVy, decoded usr:SuperSec, password SuperSecret`,
    'dial http://proxyuser:hunter2@backend:5001/ failed',
    'dial http://proxyuser:hunt@er2@backend, http:\\/\\/proxyuser:hunter2@backend',
    `${long} http://proxyuser:hunter2hunter2hunter2@backend:5001/ failed`,
    'sent X-Api-Key: hunter2; Cookie: session=hunter2',
    'Set-Cookie: a=hunter2; b=hunter2',
    'Authorization: Token hunter2',
    'map[Authorization:[Negotiate hunter2] Accept:[*]]',
    '{"headers":{"Proxy-Authorization":"Token hunter2","X-Auth-Token": "hunter2"}}',
    '{\\"access_token\\":\\"hunter2\\"}',
    "{'token': 'hunter 2', 'password': 'hunter2'}",
    'GET /a?token=hunter2&x=1 /b?access_token=hunter2 /c?api_key=hunter2&amp;key=hunter2 /d?Signature=hunter2',
  ]) {
    for (const body of [words, JSON.stringify({ Message: words, Type: 'error' })]) {
      for (const status of [403, 404, 429, 500]) {
        const node = await nodeThatSays(t, { 'pin/ls': body }, status, 'basic:usr:SuperSecret99')
        const error = await t.throwsAsync<DriveError>(node.listPins(), { instanceOf: DriveError })
        const shown = JSON.stringify([error?.message, error?.about])
        t.notRegex(shown, /hunt|proxyuser|er2@|SuperSec|dXNy/, `${status} ${body}`)
      }
    }
  }
  const helpful = await nodeThatSays(t, { 'pin/ls': 'lock /a//b/repo.lock: key is missing, user a@b' }, 500)
  const error = await t.throwsAsync<DriveError>(helpful.listPins(), { instanceOf: DriveError })
  t.regex(error?.message ?? '', /lock \/a\/\/b\/repo\.lock: key is missing, user a@b/)
})

test('S-168 a key that begins like a message of Kubo does not change its meaning', async (t) => {
  const said = JSON.stringify({ Message: 'not pinned or pinned indirectly', Code: 0, Type: 'error' })
  const node = await nodeThatSays(t, { 'pin/rm': said }, 500, 'bearer:not pinned at all')
  await t.notThrowsAsync(node.unpin(CID))
})

/** Messages about missing items that are not exactly Kubo's own. */
const NOT_KUBO = [
  'upstream host not found',
  JSON.stringify({ Message: 'tenant not found', Code: 0, Type: 'error' }),
  JSON.stringify({ Message: 'could not find a backend', Code: 0, Type: 'error' }),
  JSON.stringify({ Message: 'record not found in our cache, timed out', Code: 0, Type: 'error' }),
  JSON.stringify({ Message: 'this pod is not pinned to a host', Code: 0, Type: 'error' }),
  JSON.stringify({ Message: 'routing: not found' }),
  JSON.stringify({
    Message: `block was not found locally (offline): ipld: could not find ${cidOf(Buffer.alloc(32, 9), 'raw')}`,
    Type: 'error',
  }),
]

test('S-046 only the exact messages of Kubo mean NOT_FOUND; any other text is a failure', async (t) => {
  const name = nameOfKey(publicKeyOfSeed(new Uint8Array(32)))
  for (const text of NOT_KUBO) {
    const asked = { 'name/get': text, 'block/get': text, 'block/stat': text, 'pin/rm': text, 'pin/update': text }
    const node = await nodeThatSays(t, asked, 500)
    const to = cidOf(Buffer.alloc(32, 2), 'dag-pb')
    const calls = [node.getBlock(CID), node.missing([CID]), node.unpin(CID), node.updatePin(CID, to)]
    if (!text.includes('routing: not found"')) calls.push(node.getName(name))
    for (const call of calls) {
      const error = await t.throwsAsync<DriveError>(call, { instanceOf: DriveError }, text)
      t.is(error?.code, 'NODE_ERROR', text)
    }
  }
  const bare = await nodeThatSays(t, { 'name/get': NOT_KUBO[5]! }, 500)
  t.is((await t.throwsAsync<DriveError>(bare.getName(name)))?.code, 'NODE_ERROR')
})

/** Objects whose fields are all different from Kubo's. */
const WRONG_FIELDS = [
  {},
  { Pins: 5, Keys: 5, Key: 5, Size: 'x', Stats: 5, Root: 5, Progress: 'x', Error: 5, Cid: 5, Name: 5 },
  { Pins: `${CID} ${CID}`, Keys: CID, Key: { '/': 5 }, Stats: { BlockCount: '0', BlockBytesCount: '0' }, Root: [] },
  { Pins: { length: 1, 0: CID }, Keys: [CID], Key: CID, Size: -1, Stats: [0, 0], Root: { PinErrorMsg: {} } },
  { Pins: [5], Keys: { other: {} }, Key: null, Stats: null, Root: null, Error: {}, Progress: 1e400 },
]

test('S-083 a field of a response counts only in the form of Kubo; nothing else confirms an operation', async (t) => {
  const to = cidOf(Buffer.alloc(32, 2), 'dag-pb')
  for (const fields of WRONG_FIELDS) {
    const text = JSON.stringify(fields)
    const commands = ['block/stat', 'pin/add', 'pin/update', 'pin/rm', 'pin/ls', 'dag/import', 'repo/gc']
    const node = await nodeThatSays(t, Object.fromEntries(commands.map((command) => [command, text])))
    const calls = {
      missing: node.missing([CID]),
      pin: node.pin(CID, { name: 'x' }),
      updatePin: node.updatePin(CID, to),
      samePin: node.updatePin(CID, CID),
      unpin: node.unpin(CID),
      importBlocks: node.importBlocks([], { roots: [] }),
    }
    for (const [call, answer] of Object.entries(calls)) {
      const error = await t.throwsAsync<DriveError>(answer, { instanceOf: DriveError }, `${call} ${text}`)
      t.is(error?.code, 'NODE_ERROR', `${call} ${text}`)
    }
    t.deepEqual(await node.listPins(), [], text)
    const collected = await node.collectGarbage().catch((error: unknown) => error)
    t.true(collected instanceof DriveError || (collected as { removedBlocks: number }).removedBlocks === 0, text)
  }
})

test('S-083 a page that answers 200 to everything confirms nothing', async (t) => {
  const page = '<html><title>Log in</title></html>'
  const commands = ['version', 'block/stat', 'pin/rm', 'pin/ls', 'pin/add', 'pin/update', 'name/put', 'name/get']
  const node = await nodeThatSays(t, Object.fromEntries(commands.map((command) => [command, page])))
  const calls = everyCall(node)
  delete (calls as Record<string, unknown>)['collectGarbage']
  for (const [call, answer] of Object.entries(calls)) {
    const error = await t.throwsAsync<DriveError>(answer, { instanceOf: DriveError }, call)
    t.true(['NODE_ERROR', 'WRONG_BLOCK'].includes(error?.code ?? ''), `${call}: ${error?.code}`)
  }
  t.is((await t.throwsAsync<DriveError>(node.listPins()))?.code, 'NODE_ERROR')
})
