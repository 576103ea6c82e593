import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { sleep } from '../../src/base/index.js'
import { testWhere } from '../support/available.js'
import { smallDisk } from '../support/small-disk.js'
import { program, programAside, temporaryFolder, testDrive, type TestDrive } from '../support/drive.js'
import { startKubo, type KuboDaemon } from '../kubo/daemon.js'
import { startFaultProxy, type FaultProxy } from '../kubo/fault-proxy.js'
import { projectRoot } from '../support/sources.js'
import { until } from '../support/until.js'

interface Status {
  readonly node: { readonly where: string }
  readonly warnings?: readonly string[]
  readonly queue: { readonly changed: number }
}

interface Nodes {
  readonly kubo: KuboDaemon
  /** In front of another Kubo. */
  readonly proxy: FaultProxy
}

interface Two extends Nodes {
  readonly drive: TestDrive
  readonly phrase: string
}

async function nodes(t: ExecutionContext): Promise<Nodes> {
  t.timeout(10 * 60_000)
  const [kubo, other] = [await startKubo({ version: '0.43' }), await startKubo({ version: '0.43' })]
  t.teardown(() => Promise.all([kubo.stop(), other.stop()]))
  const proxy = await startFaultProxy(other.url)
  t.teardown(() => proxy.close())
  return { kubo, proxy }
}

/** A drive on one Kubo with one version and later changes, and another Kubo behind a proxy. */
async function two(t: ExecutionContext): Promise<Two> {
  const { kubo, proxy } = await nodes(t)
  const phrase = join(temporaryFolder(t, 'node-set'), 'phrase')
  const drive = testDrive(t, { environment: { DAGDRIVE_DEBOUNCE_MS: '3600000' } })
  await drive.up(['--node', kubo.url, '--phrase-out', phrase])
  await write(drive, 'first')
  await drive.must(['sync'])
  await write(drive, 'second')
  return { drive, kubo, proxy, phrase }
}

function write(drive: TestDrive, name: string): Promise<string> {
  return programAside('sh', ['-ec', `head -c 3000000 /dev/urandom > ${name}; sync ${name}`], drive.mountpoint)
}

async function opensEqual(t: ExecutionContext, drive: TestDrive, node: string, phrase: string): Promise<void> {
  const second = testDrive(t)
  await second.up(['--node', node, '--phrase-file', phrase])
  t.is(await programAside('diff', ['-r', drive.mountpoint, second.mountpoint]), '')
}

const FAILURES: Readonly<Record<string, string>> = {
  'the upload': 'dag/import',
  'the pin': 'pin/add',
  'the names': 'name/put',
}

for (const [step, path] of Object.entries(FAILURES)) {
  testWhere('fuse', 'go')(
    `S-031 node set that fails at ${step} keeps the drive on its node, which then gets everything`,
    async (t) => {
      const { drive, kubo, proxy, phrase } = await two(t)
      proxy.inject({ path, kind: { status: 500, body: 'injected' } })
      const { code } = await drive.run(['node', 'set', proxy.url])
      t.not(code, 0)
      const status = await drive.json<Status>(['status'])
      t.is(status.node.where, kubo.url)
      t.deepEqual(status.warnings, [])
      t.true(status.queue.changed > 0, 'nothing is published')
      await drive.must(['sync'])
      await collectGarbage(kubo)
      await opensEqual(t, drive, kubo.url, phrase)
      proxy.heal()
      await drive.must(['node', 'set', proxy.url])
      await write(drive, 'third')
      await drive.must(['sync'])
      await opensEqual(t, drive, proxy.url, phrase)
    },
  )
}

testWhere('fuse', 'go')('S-031 Ctrl-C during node set keeps the drive on its node', async (t) => {
  const { drive, kubo, proxy, phrase } = await two(t)
  proxy.inject({ path: 'pin/add', kind: { delayMs: 60_000 } })
  const child = spawn(process.execPath, [join(projectRoot, 'dist/src/cli/main.js'), 'node', 'set', proxy.url], {
    env: { ...process.env, DAGDRIVE_HOME: drive.home },
    stdio: 'ignore',
  })
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  while (proxy.hits === 0) await sleep(50)
  child.kill('SIGINT')
  t.not(await ended, 0)
  await until(async () => (await drive.json<Status>(['status'])).node.where === kubo.url, 100)
  await drive.must(['sync'])
  t.deepEqual((await drive.json<Status>(['status'])).warnings, [])
  await opensEqual(t, drive, kubo.url, phrase)
})

testWhere('fuse', 'go')(
  'S-031 after a kill during node set, status reports it and the drive stays on its node',
  async (t) => {
    const { drive, kubo, proxy, phrase } = await two(t)
    proxy.inject({ path: 'name/put', kind: { delayMs: 60_000 } })
    const running = drive.run(['node', 'set', proxy.url])
    while (proxy.hits === 0) await sleep(50)
    drive.killDaemon()
    await running
    await drive.mount()
    const status = await drive.json<Status>(['status'])
    t.is(status.node.where, kubo.url)
    t.regex(String(status.warnings), /Moving the drive to .* was interrupted/)
    await drive.must(['sync'])
    await opensEqual(t, drive, kubo.url, phrase)
    await drive.must(['node', 'set', kubo.url])
    t.deepEqual((await drive.json<Status>(['status'])).warnings, [])
  },
)

testWhere(
  'fuse',
  'go',
  'root',
)('S-031 node set on a full disk keeps the drive on its node, and succeeds when there is space', async (t) => {
  const { kubo, proxy } = await nodes(t)
  const disk = temporaryFolder(t, 'small')
  smallDisk(t, disk, 96)
  const home = join(disk, 'home')
  const drive = testDrive(t, { home, environment: { DAGDRIVE_DEBOUNCE_MS: '3600000' } })
  const own = join(temporaryFolder(t, 'own'), 'phrase')
  await drive.up(['--node', kubo.url, '--phrase-out', own])
  await write(drive, 'first')
  const filler = join(disk, 'filler')
  program('sh', ['-c', `cat /dev/zero > ${filler} 2>/dev/null || true`])
  const { code } = await drive.run(['node', 'set', proxy.url])
  const { nodeUrl } = JSON.parse(readFileSync(join(home, 'config.json'), 'utf8')) as { nodeUrl: string }
  t.is(nodeUrl, code === 0 ? proxy.url : kubo.url)
  program('rm', [filler])
  await drive.must(['node', 'set', proxy.url])
  await drive.must(['sync'])
  await opensEqual(t, drive, proxy.url, own)
})

async function collectGarbage({ url }: KuboDaemon): Promise<void> {
  await (await fetch(`${url}/api/v0/repo/gc`, { method: 'POST' })).text()
}
