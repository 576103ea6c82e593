/** Keys, sockets and certificates, against real daemons, and what a key is bound to. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { failsWith } from '../../../test/suites/node.suite.js'
import { nameKey, rawBlocks } from '../../../test/suites/node-material.js'
import { startFaultProxy } from '../../../test/kubo/fault-proxy.js'
import { requireKubo, testWithKubo } from '../../../test/kubo/require-kubo.js'
import { DriveError, silentLog, systemClock, systemRandom } from '../../base/index.js'
import { openNode, type IpfsNode, type OpenNodeOptions, originOf } from '../index.js'
import { endpointOf } from './endpoint.js'

/** The minimum permissions of a drive, as listed in docs/NODES.md. */
const PATHS = [
  'id',
  'version',
  'block/get',
  'block/stat',
  'dag/import',
  'pin/add',
  'pin/update',
  'pin/rm',
  'pin/ls',
  'name/put',
  'name/get',
  'repo/stat',
  'repo/gc',
]

async function open(t: ExecutionContext, address: string, extra: Partial<OpenNodeOptions> = {}): Promise<IpfsNode> {
  const common = { dataDirectory: '/nonexistent', clock: systemClock, log: silentLog, random: systemRandom }
  const node = await openNode(address, { ...common, ...extra })
  t.teardown(() => node.close())
  return node
}

testWithKubo(
  'a key allows exactly its commands; without it, or with a wrong one, every call is NODE_DENIED (R-21)',
  async (t) => {
    const daemon = await requireKubo(t, {
      authorizations: {
        drive: { AuthSecret: 'bearer:s3cret-token', AllowedPaths: PATHS.map((path) => `/api/v0/${path}`) },
        person: { AuthSecret: 'basic:ada:lovelace', AllowedPaths: ['/api/v0'] },
        guest: { AuthSecret: 'bearer:guest-token', AllowedPaths: ['/api/v0/block/get'] },
      },
    })
    const blocks = rawBlocks(3, 1000, 81)
    for (const credentials of [
      'bearer:s3cret-token',
      'basic:ada:lovelace',
      'basic:YWRhOmxvdmVsYWNl',
      ' bearer:s3cret-token\n',
    ]) {
      const node = await open(t, daemon.url, { credentials })
      t.is((await node.check()).kind, 'kubo')
      t.is((await node.importBlocks(blocks, { roots: [blocks[0]!.cid] })).blocks, 3)
    }
    const node = await open(t, daemon.url, { credentials: 'bearer:s3cret-token' })
    const key = await nameKey(81)
    await node.pin(blocks[0]!.cid, { name: 'x' })
    await node.updatePin(blocks[0]!.cid, blocks[1]!.cid)
    await node.putName(key.name, await key.record(blocks[1]!.cid, 1n))
    for (const { cid } of blocks.slice(0, 2)) await node.unpin(cid)
    await node.collectGarbage()
    t.false((await node.listPins()).some((pin) => pin.cid === blocks[1]!.cid))

    for (const credentials of ['', 'bearer:wrong-secret', 'basic:ada:wrong-secret', 'bearer:guest-token']) {
      const denied = await open(t, daemon.url, { credentials })
      const error = await t.throwsAsync(denied.importBlocks(blocks, { roots: [blocks[0]!.cid] }))
      if (!(error instanceof DriveError)) return t.fail(String(error))
      t.is(error.code, 'NODE_DENIED')
      t.notRegex(
        JSON.stringify([error.message, error.about, String(error.cause)]) ?? '',
        /secret|guest-token|lovelace|YWRh/,
      )
      if (credentials !== 'guest-token') await failsWith(t, ['NODE_DENIED'], denied.check())
    }
  },
)

testWithKubo('a unix socket works too, also after a kill -9 that left its file', async (t) => {
  const daemon = await requireKubo(t, { unixSocket: true })
  const node = await open(t, daemon.unixUrl!)
  t.is((await node.check()).where, daemon.unixUrl!)
  await daemon.kill()
  const away = await t.throwsAsync<DriveError>(node.check(), { code: 'OFFLINE' })
  t.regex(away?.message ?? '', /Is the Kubo daemon running there\?/)
  await daemon.restart()
  t.true((await node.check()).sameMachine)
})

testWithKubo('https needs a trusted certificate', async (t) => {
  const daemon = await requireKubo(t)
  const tls = await selfSigned(t)
  const proxy = await startFaultProxy(daemon.url, tls)
  t.teardown(() => proxy.close())
  await failsWith(t, ['NODE_DENIED'], (await open(t, proxy.url)).check())
  const node = await open(t, proxy.url, { certificateAuthority: tls.cert })
  t.regex((await node.check()).version, /^0\.43/)
  const blocks = rawBlocks(30, 100_000, 82)
  await node.importBlocks(blocks, { roots: [blocks[0]!.cid] })
  t.deepEqual(Buffer.from(await node.getBlock(blocks[9]!.cid)), Buffer.from(blocks[9]!.bytes))
})

test('an address with credentials or of an unknown form is refused, and the error does not repeat it', async (t) => {
  const addresses = [
    'http://user:hunter2@host:5001',
    'https://host/?key=hunter2',
    'ftp://hunter2/',
    'file://hunter2/path',
    'file:///',
    'unix://hunter2',
    'hunter2',
    'http://hunter2 b:c',
  ]
  for (const address of addresses) {
    const error = await t.throwsAsync(open(t, address))
    t.true(error instanceof DriveError && error.code === 'USAGE', address)
    t.notRegex(`${String(error)} ${JSON.stringify(error)} ${String(error?.cause)}`, /hunter2/)
  }
})

test('S-048 a credential without its prefix, such as a phrase given by mistake, is refused and not shown', (t) => {
  for (const credentials of ['abandon ability able about', 'abandon', '{"rootKey":"c2VjcmV0"}', 'Bearer abandon']) {
    const error = t.throws<DriveError>(() => endpointOf(new URL('http://127.0.0.1:5001'), { credentials }))
    t.is(error.code, 'USAGE')
    t.notRegex(`${String(error)} ${JSON.stringify(error)}`, /abandon|c2VjcmV0/)
  }
})

test('detects nodes on this machine, and keys that would be sent unencrypted over the network', (t) => {
  const at = (address: string) => endpointOf(new URL(address), { credentials: 'bearer:k' })
  for (const host of ['127.0.0.1', 'localhost', '[::1]', '0.0.0.0', '[::]']) {
    t.true(at(`http://${host}:5001`).sameMachine, host)
    t.false(at(`http://${host}:5001`).exposed, host)
  }
  t.true(at('unix:///run/kubo.sock').sameMachine)
  t.false(at('unix:///run/kubo.sock').exposed)
  t.false(at('http://203.0.113.2:5001').sameMachine)
  t.true(at('http://203.0.113.2:5001').exposed)
  t.false(at('https://node.example').exposed)
  t.is(at('https://node.example/kubo/').where, 'https://node.example/kubo')
  t.is(at('https://node.example/kubo/').basePath, '/kubo')
})

async function selfSigned(t: ExecutionContext): Promise<{ key: string; cert: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'dagdrive-tls-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  const kind = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  await promisify(execFile)('openssl', [...kind, ...subject, '-keyout', key, '-out', cert], { timeout: 20_000 })
  return { key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') }
}

test('S-048 a credential is bound to scheme, host, port and path', (t) => {
  t.is(originOf('HTTPS://Home-Server:5001/'), 'https://home-server:5001')
  t.is(originOf('https://home/kubo/'), 'https://home/kubo')
  t.is(originOf('http://home'), 'http://home')
  t.not(originOf('http://home:5001'), originOf('https://home:5001'))
  t.is(originOf('unix:///run/api.sock'), 'unix:///run/api.sock')
  t.is(originOf('embedded'), undefined)
  t.is(originOf('file:///disk'), undefined)
})
