import test from 'ava'
import type { DriveError } from '../../base/index.js'
import { nodeUrlOf, requireNodeUrl } from '../index.js'

const REFUSED: readonly (readonly [given: string, words: string])[] = [
  ['', 'The address of the node is empty.'],
  ['http://127.0.0.1:99999', '"http://127.0.0.1:99999" is not the address of a node: no port is above 65535.'],
  ['localhost:99999', '"http://localhost:99999" is not the address of a node: no port is above 65535.'],
  ['htp://127.0.0.1:5001', '"htp://127.0.0.1:5001" is not the address of a node: htp: is none of http:,'],
  ['embeded', '"embeded" is not the address of a node: did you mean "embedded"?'],
  ['/mnt/my disk', '"/mnt/my disk" is not the address of a node: did you mean file:///mnt/my%20disk?'],
  ['./node', 'did you mean file://PATH? PATH begins with a slash.'],
  ['disk/node', 'did you mean file://PATH?'],
  ['file:folder', 'file:///PATH'],
  ['file:///a%2Fb', 'escape'],
  ['home-server:5001', 'write http://home-server:5001 or https://home-server:5001.'],
  ['localhost:5001/webui', 'write http://localhost:5001 or'],
  ['http:/host', 'write http://HOST:PORT.'],
  ['/ip4/1.2.3.4/udp/5001', '"/ip4/1.2.3.4/udp/5001" is not the address of a node: of the multiaddrs'],
  ['http://127.0.0.1:5001/api/v0', 'leave out the path: http://127.0.0.1:5001.'],
  ['http://127.0.0.1:5001/webui', 'leave out the path: http://127.0.0.1:5001.'],
  ['https://host/kubo/api/v0/id?arg=1', 'leave out the path: https://host/kubo.'],
]

test('R-21 S-202 the error of a wrong node address quotes it, says what is wrong and how to write it', (t) => {
  for (const [given, words] of REFUSED) {
    const error = t.throws<DriveError>(() => requireNodeUrl(nodeUrlOf(given)), undefined, given)
    t.is(error?.code, 'USAGE')
    t.true(error?.message.includes(words), error?.message)
    t.true(error?.message.includes('127.0.0.1:PORT'), 'the forms without http:// are named')
  }
  for (const sound of ['embedded', 'https://host:5001/kubo', 'http://h/', 'file:///mnt/api/v0', 'http://h/apis'])
    t.notThrows(() => requireNodeUrl(sound), sound)
})

test('S-202 the quoted address has no credentials, no control characters, and a limited length', (t) => {
  for (const given of [
    'http://user:secret@host:5001',
    'http://user:s/secret@host:99999',
    'user:secret@localhost:5001',
    'htp://user:secret?secret@host',
    'htp://host/?token=secret',
    '/dns/user:secret@host/tcp/1',
    '//user:secret@host',
    'bearer:secret',
    'Basic:user:secret',
  ]) {
    const error = t.throws(() => requireNodeUrl(nodeUrlOf(given)), undefined, given)
    t.false(/secret|user:/.test(error.message), error.message)
  }
  const long = t.throws(() => requireNodeUrl(`x\u001b[31m${'y'.repeat(10_000)}`))
  t.true(long.message.length < 600 && !long.message.includes('\u001b'), long.message)
})
