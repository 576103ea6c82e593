import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo, type Server } from 'node:net'
import { hostname, networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { testWhere } from '../../../test/support/available.js'
import { DriveError, silentLog, systemClock, systemRandom } from '../../base/index.js'
import { isOfThisMachine, listenerOf, listenerWarning, openNode } from '../index.js'
import { listenerAt, otherEndOf } from './socket-tables.js'
import { isOwnAddress, isOwnHost } from './this-machine.js'

const own = process.getuid?.() ?? 0
const common = { dataDirectory: '/nonexistent', clock: systemClock, log: silentLog, random: systemRandom }

async function listening(t: ExecutionContext, host: string, port = 0): Promise<{ port: number; heard: () => string }> {
  let heard = ''
  const server: Server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (data) => {
      heard += String(data)
      socket.end('HTTP/1.1 403 no\r\ncontent-length: 0\r\n\r\n')
    })
  })
  server.listen(port, host)
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { port: (server.address() as AddressInfo).port, heard: () => heard }
}

test('S-048 the listener is found for one address, for all addresses, and for IPv6', async (t) => {
  const exact = await listening(t, '127.0.0.1')
  t.deepEqual(await listenerAt('127.0.0.1', exact.port), [own])
  t.deepEqual(await listenerAt('127.0.0.2', exact.port), [])
  t.deepEqual(await listenerAt('::1', exact.port), [])
  const every = await listening(t, '0.0.0.0')
  t.deepEqual(await listenerAt('127.0.0.1', every.port), [own])
  const six = await listening(t, '::')
  t.deepEqual(await listenerAt('::1', six.port), [own])
  t.deepEqual(await listenerAt('127.0.0.1', six.port), [own])
  const six1 = await listening(t, '::1')
  t.deepEqual(await listenerAt('::1', six1.port), [own])
  t.deepEqual(await listenerOf(`http://[::1]:${six1.port}`), [own])
  t.deepEqual(await listenerOf(`http://localhost:${exact.port}`), [own])
  t.is(await listenerOf('https://127.0.0.1:1'), undefined)
  t.is(await listenerOf('http://203.0.113.1:5001'), undefined)
  t.is((await t.throwsAsync<DriveError>(listenerOf('http://127.0.0.1:1')))?.code, 'OFFLINE')
})

test('S-048 a key is sent over a unix socket that the recorded user made, and nothing over one that another user made', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'dagdrive-socket-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'api.sock')
  const address = `unix://${path}`
  t.is((await t.throwsAsync<DriveError>(listenerOf(address)))?.code, 'OFFLINE')
  let heard = ''
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (data) => {
      heard += String(data)
      socket.end('HTTP/1.1 403 no\r\ncontent-length: 0\r\n\r\n')
    })
  })
  server.listen(path)
  await once(server, 'listening')
  t.teardown(() => server.close())
  t.deepEqual(await listenerOf(address), [own])
  const known = await openNode(address, { ...common, credentials: 'bearer:token-one', listener: [own] })
  t.teardown(() => known.close())
  await t.throwsAsync(known.check())
  t.regex(heard, /token-one/)
  heard = ''
  const taken = await openNode(address, { ...common, credentials: 'bearer:token-two', listener: [own + 1] })
  t.teardown(() => taken.close())
  t.is((await t.throwsAsync<DriveError>(taken.check()))?.code, 'NODE_DENIED')
  t.is(heard, '')
  writeFileSync(join(folder, 'plain'), '')
  t.is((await t.throwsAsync<DriveError>(listenerOf(`unix://${folder}/plain`)))?.code, 'OFFLINE')
})

test('S-048 a key is sent if the recorded user listens, and nothing is sent if another one does', async (t) => {
  const { port, heard } = await listening(t, '127.0.0.1')
  const address = `http://127.0.0.1:${port}`
  const known = await openNode(address, { ...common, credentials: 'bearer:token-one', listener: [own] })
  t.teardown(() => known.close())
  await t.throwsAsync(known.check())
  t.regex(heard(), /token-one/)
  for (const listener of [[own + 1], [], [own, own + 1]]) {
    const node = await openNode(address, { ...common, credentials: 'bearer:token-two', listener })
    t.teardown(() => node.close())
    const error = await t.throwsAsync<DriveError>(node.check(), { instanceOf: DriveError })
    t.is(error?.code, 'NODE_DENIED')
    t.is((await t.throwsAsync<DriveError>(node.getBlock('bafkqaaa').catch(() => node.listPins())))?.code, 'NODE_DENIED')
  }
  t.false(heard().includes('token-two'))
})

test('an unreachable node with a recorded listener is OFFLINE', async (t) => {
  const node = await openNode('http://127.0.0.1:1', { ...common, credentials: 'bearer:token', listener: [own] })
  t.is((await t.throwsAsync<DriveError>(node.check(), { instanceOf: DriveError }))?.code, 'OFFLINE')
  await node.close()
})

testWhere('root')("S-048 another user's listener is distinguished from ours", async (t) => {
  const program =
    "require('net').createServer().listen(0, '127.0.0.1', function () { console.log(this.address().port) })"
  const other = spawn(process.execPath, ['-e', program], { uid: 65_534, gid: 65_534, cwd: '/' })
  t.teardown(() => void other.kill('SIGKILL'))
  const [port] = (await once(other.stdout, 'data')) as [Buffer]
  t.deepEqual(await listenerAt('127.0.0.1', Number(String(port))), [65_534])
})

const RESETS = `
import socket, struct
server = socket.create_server(('127.0.0.1', 0)); print(server.getsockname()[1], flush=True)
while True:
    one, _ = server.accept()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); one.close()
`

test('S-047 S-048 a listener that resets every connection is OFFLINE, and no call hangs', async (t) => {
  const child = spawn('python3', ['-c', RESETS], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill())
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const address = `http://127.0.0.1:${String(line).trim()}`
  const node = await openNode(address, { ...common, credentials: 'bearer:token-three', listener: [own] })
  t.teardown(() => node.close())
  for (let round = 0; round < 30; round++) {
    const error = await t.throwsAsync<DriveError>(node.probe(), { instanceOf: DriveError })
    t.is(error?.code, 'OFFLINE')
  }
})

/** Binds the port for a short time, and leaves the list of listeners before it is read. */
const FLAPS = `
import random, socket, sys, time
with socket.create_server(('127.0.0.1', 0)) as first: port = first.getsockname()[1]
print(port, flush=True)
while True:
    time.sleep(random.random() * 0.003)
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(('127.0.0.1', port)); server.listen(64); server.settimeout(0.02)
        try: one, _ = server.accept()
        except OSError: continue
    one.settimeout(0.05)
    try: said = one.recv(4096)
    except OSError: said = b''
    print('said' if said else 'silent', said, flush=True)
    one.close()
`

test('S-048 if no program of this machine is recorded, a program that binds the port briefly is sent nothing', async (t) => {
  const child = spawn('python3', ['-c', FLAPS], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill())
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  let heard = ''
  child.stdout.on('data', (data) => (heard += String(data)))
  const address = `http://127.0.0.1:${String(line).trim()}`
  const node = await openNode(address, { ...common, credentials: 'bearer:token-four', listener: [] })
  t.teardown(() => node.close())
  for (let round = 0; round < 3000 && heard.split('silent').length < 40; round++)
    await t.throwsAsync<DriveError>(node.probe(), { instanceOf: DriveError })
  t.true(heard.includes('silent'), 'connections were accepted')
  t.false(heard.includes('token-four'), heard)
})

test('S-048 a listener that has ended does not match the recorded one, also while its connection is open', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined).on('data', (data) => (heard += String(data)))
    server.close()
  })
  let heard = ''
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const taken = new Promise<void>((resolve) => server.once('connection', () => setTimeout(resolve, 20)))
  const socket = connect({ host: '127.0.0.1', port })
  t.teardown(() => socket.destroy())
  await taken
  const { localAddress = '', localPort = 0, remoteAddress = '', remotePort = 0 } = socket
  const end = await otherEndOf({ localAddress, localPort, remoteAddress, remotePort })
  t.deepEqual(end, { isListed: true, isHere: true, listener: [] })
  t.is(heard, '')
})

test('S-048 loopback names lead only to this machine, to the address at which the node listens', async (t) => {
  t.true(['localhost', 'localhost.', 'kubo.localhost', '127.9.9.9', '::1', '::ffff:7f00:1'].every(isOwnHost))
  t.false(['localhost.example', '128.0.0.1', '2001:db8::2', '203.0.113.1', 'x127.0.0.1'].some(isOwnHost))
  const six = await listening(t, '::1')
  const byName = `http://kubo.localhost:${six.port}`
  const node = await openNode(byName, { ...common, credentials: 'bearer:token', listener: [own] })
  t.teardown(() => node.close())
  await t.throwsAsync(node.check())
  t.regex(six.heard(), /token/)
  const squatted = await openNode(byName, {
    ...common,
    credentials: 'bearer:token-five',
    listener: [own + 1],
  })
  t.teardown(() => squatted.close())
  t.is((await t.throwsAsync<DriveError>(squatted.check()))?.code, 'NODE_DENIED')
  t.false(six.heard().includes('token-five'))
})

test('S-048 the key is withheld from another listener at every address of this machine, not only at loopback', async (t) => {
  const [four, six] = [await listening(t, '0.0.0.0'), await listening(t, '::')]
  const interfaces = Object.values(networkInterfaces()).flatMap((one) => one ?? [])
  // Only the first two: later ones may be of containers that end now. A link-local address does not fit into a URL.
  const own4 = interfaces.filter(({ family }) => family === 'IPv4').slice(0, 2)
  const own6 = interfaces.filter(({ family, scopeid }) => family === 'IPv6' && scopeid === 0).slice(0, 2)
  const places = [
    ...['0.0.0.0', '0', '[::ffff:0.0.0.0]', '127.1'].map((host) => `${host}:${four.port}`),
    ...own4.map(({ address }) => `${address}:${four.port}`),
    `[::]:${six.port}`,
    ...own6.map(({ address }) => `[${address}]:${six.port}`),
  ]
  t.true([...own4, ...own6].every(({ address }) => isOwnAddress(address)))
  t.true(isOwnHost(hostname()), 'its own name')
  for (const place of places) {
    const address = `http://${place}`
    t.deepEqual(await listenerOf(address), [own], address)
    t.true(isOfThisMachine(address), address)
    t.regex(listenerWarning(address, []) ?? '', /container/, address)
    const taken = await openNode(address, { ...common, credentials: 'bearer:token-six', listener: [own + 1] })
    t.is((await t.throwsAsync<DriveError>(taken.check(), undefined, address))?.code, 'NODE_DENIED', address)
    await taken.close()
  }
  t.notRegex(four.heard() + six.heard(), /token-six/)
  const known = await openNode(`http://0.0.0.0:${four.port}`, {
    ...common,
    credentials: 'bearer:token-7',
    listener: [own],
  })
  await t.throwsAsync(known.check())
  await known.close()
  t.regex(four.heard(), /token-7/)
})

test('S-048 if the listener cannot be recorded, a warning says so and names a safer address', (t) => {
  t.is(listenerWarning('http://127.0.0.1:5001', [1000]), undefined)
  t.is(listenerWarning('https://127.0.0.1:5001', undefined), undefined)
  t.is(listenerWarning('http://203.0.113.1:5001', undefined), undefined)
  t.is(listenerWarning('unix:///run/api.sock', undefined), undefined)
  t.is(listenerWarning('embedded', undefined), undefined)
  t.regex(listenerWarning('http://[::1]:5001', []) ?? '', /container.*unix:\/\/\/folder\/api\.sock/)
  t.regex(listenerWarning('http://localhost:5001', undefined) ?? '', /does not show.*unix:\/\/\/folder\/api\.sock/)
})
