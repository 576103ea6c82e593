/** A node's credential is sent to that node only. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { startKubo, type KuboDaemon } from '../kubo/daemon.js'
import { startFaultProxy, type FaultProxy } from '../kubo/fault-proxy.js'
import { testWhere } from '../support/available.js'
import { temporaryFolder, testDrive, type TestDrive } from '../support/drive.js'

const TOKEN = 'a-secret-token'
const NODE_DENIED = 21

interface World {
  readonly kubo: KuboDaemon
  readonly proxy: FaultProxy
  readonly drive: TestDrive
  readonly keyFile: string
}

/** A drive on a Kubo that requires a key, behind a proxy of this user. */
async function locked(t: ExecutionContext): Promise<World> {
  t.timeout(10 * 60_000)
  const kubo = await startKubo({
    version: '0.43',
    authorizations: { drive: { AuthSecret: `bearer:${TOKEN}`, AllowedPaths: ['/api/v0'] } },
  })
  t.teardown(() => kubo.stop())
  const proxy = await startFaultProxy(kubo.url)
  t.teardown(() => proxy.close())
  const keyFile = join(temporaryFolder(t, 'credential'), 'key')
  writeFileSync(keyFile, `bearer:${TOKEN}\n`, { mode: 0o600 })
  const drive = testDrive(t)
  await drive.must(['init', '--node', proxy.url, '--node-key-file', keyFile])
  await drive.must(['sync'])
  return { kubo, proxy, drive, keyFile }
}

/** A server that records what it receives. */
async function listeningNode(t: ExecutionContext): Promise<{ url: string; heard: string[] }> {
  const heard: string[] = []
  const server = createServer((request, answer) => {
    heard.push(`${request.url} ${request.headers.authorization ?? ''}`)
    request.resume()
    answer.writeHead(403).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, heard }
}

function configure(drive: TestDrive, nodeUrl: string): void {
  const path = join(drive.home, 'config.json')
  const config = JSON.parse(readFileSync(path, 'utf8')) as object
  writeFileSync(path, JSON.stringify({ ...config, nodeUrl }))
}

testWhere('go')(
  'S-048 R-21 if the configuration names another node, as after a crash, that node does not get the key',
  async (t: ExecutionContext) => {
    const { drive, proxy } = await locked(t)
    const other = await listeningNode(t)
    await drive.stop()
    configure(drive, other.url)
    t.is((await drive.run(['sync'])).code, NODE_DENIED)
    await drive.run(['node', 'test'])
    t.true(other.heard.length > 0, 'the other node got requests')
    t.false(other.heard.join().includes(TOKEN), other.heard.join())
    await drive.stop()
    configure(drive, proxy.url)
    await drive.must(['sync'])
  },
)

testWhere('go', 'fuse')(
  'S-048 S-203 a key file that others could read, a link, or an invalid one is not used; up is repeated with the same key',
  async (t: ExecutionContext) => {
    const { drive, keyFile, proxy } = await locked(t)
    const path = join(drive.home, 'node.key')
    const refused = async (what: RegExp): Promise<void> => {
      await drive.stop()
      const { code, stderr } = await drive.run(['sync'])
      t.is(code, NODE_DENIED, stderr)
      t.regex(stderr, what)
    }
    chmodSync(path, 0o644)
    await refused(/chmod 600/)
    chmodSync(path, 0o600)
    renameSync(path, `${path}.real`)
    symlinkSync(`${path}.real`, path)
    await refused(/symbolic link/)
    renameSync(`${path}.real`, path)
    const text = readFileSync(path, 'utf8')
    writeFileSync(path, `bearer:${TOKEN}\n`)
    await refused(/node set URL --key-file FILE/)
    writeFileSync(path, text)
    if (process.getuid?.() === 0) {
      chownSync(path, 65_534, 65_534)
      await refused(/[Aa]nother user/)
      chownSync(path, 0, 0)
    }
    await drive.must(['sync'])
    writeFileSync(path, 'damaged')
    await drive.must(['node', 'set', proxy.url, '--key-file', keyFile])
    await drive.must(['sync'])

    const phrase = join(temporaryFolder(t), 'phrase')
    await drive.must(['key', 'show', '--phrase-out', phrase])
    const up = ['up', drive.mountpoint, '--node', `${proxy.url}/`, '--phrase-file', phrase, '--node-key-file']
    for (let times = 0; times < 2; times++) await drive.must([...up, keyFile])
    const otherFile = join(temporaryFolder(t), 'other')
    writeFileSync(otherFile, 'bearer:another', { mode: 0o600 })
    const { code, stderr } = await drive.run([...up, otherFile])
    t.is(code, 11)
    t.regex(stderr, new RegExp(`The credential differs.*node set ${proxy.url} --key-file ${otherFile}"`))
    t.notRegex(stderr, /another"|bearer|a-secret/)
    await drive.unmount()
  },
)

const SQUATTER = `
  const { createServer } = require('node:net')
  createServer((socket) => {
    console.log('connected')
    socket.on('data', (data) => console.log(String(data))).on('error', () => {})
  }).listen(Number(process.argv[1]), '127.0.0.1', () => console.log('listening'))
`

testWhere('go', 'root')(
  "S-048 a process of another user on the node's loopback port gets no key, until node set is repeated",
  async (t: ExecutionContext) => {
    const { drive, proxy, keyFile } = await locked(t)
    const { port } = new URL(proxy.url)
    await drive.stop()
    await proxy.goDown()
    const squatter = spawn(process.execPath, ['-e', SQUATTER, port], { uid: 65_534, gid: 65_534, cwd: '/' })
    t.teardown(() => void squatter.kill('SIGKILL'))
    let heard = ''
    squatter.stdout.on('data', (data) => (heard += String(data)))
    await once(squatter.stdout, 'data')
    const { code, stderr } = await drive.run(['sync'])
    t.is(code, NODE_DENIED, stderr)
    t.regex(stderr, /[Aa]nother user/)
    t.true(heard.includes('connected'), 'the other process was connected to')
    t.false(heard.includes(TOKEN))
    t.false(heard.includes('/api/v0'), 'no byte was sent to it')
    const status = await drive.json<{ node: { state: string } }>(['status'])
    t.is(status.node.state, 'denied')

    const gone = once(squatter, 'exit')
    squatter.kill('SIGKILL')
    await gone
    await proxy.comeBack()
    await drive.must(['sync'])
    // The node permanently moves to another user. Repeating the command records the new user.
    configureListener(drive, 12_345)
    await drive.stop()
    t.is((await drive.run(['sync'])).code, NODE_DENIED)
    await drive.must(['node', 'set', proxy.url, '--key-file', keyFile])
    await drive.must(['sync'])
    configureListener(drive, 12_345)
    await drive.stop()
    await drive.must(['node', 'set', proxy.url])
    await drive.must(['sync'])
    t.deepEqual((await drive.json<{ warnings: string[] }>(['status'])).warnings, [])

    // The record says that no process of this machine listens. Now a process of this machine does.
    configureListener(drive)
    await drive.stop()
    t.is((await drive.run(['sync'])).code, NODE_DENIED)
    const { warnings } = await drive.json<{ warnings: string[] }>(['status'])
    t.regex(warnings.join(), /No program of this machine listens.*unix:\/\/\/folder\/api\.sock/)
  },
)

/** Sets the users recorded as listeners by the last `node set`. */
function configureListener(drive: TestDrive, ...listener: number[]): void {
  const path = join(drive.home, 'node.key')
  const file = JSON.parse(readFileSync(path, 'utf8')) as { keys: object[] }
  writeFileSync(path, JSON.stringify({ ...file, keys: file.keys.map((key) => ({ ...key, listener })) }))
}
