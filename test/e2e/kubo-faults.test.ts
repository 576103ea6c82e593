import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { testWhere } from '../support/available.js'
import { programAside, temporaryFolder, testDrive, type TestDrive } from '../support/drive.js'
import { listingAside } from '../support/workload.js'
import { startFaultProxy } from '../kubo/fault-proxy.js'
import { startKubo } from '../kubo/daemon.js'
import { until } from '../support/until.js'

interface Status {
  readonly levels: { readonly staged: { readonly files: number }; readonly published: { readonly files: number } }
  readonly node: { readonly state: string; readonly lastError?: string }
  readonly queue: { readonly state: string; readonly lastError?: string }
  readonly publishedHeight: number
}

const MIB = 1024 * 1024
const QUICK = { DAGDRIVE_DEBOUNCE_MS: '300' }
const test = testWhere('fuse', 'go')

test('S-007 R-21 a Kubo daemon that is killed during an upload and comes back: reported, retried, nothing lost', async (t: ExecutionContext) => {
  t.timeout(10 * 60_000)
  const kubo = await startKubo({ version: '0.43' })
  t.teardown(() => kubo.stop())
  const proxy = await startFaultProxy(kubo.url)
  t.teardown(() => proxy.close())
  const folder = temporaryFolder(t, 'faults')
  const phrase = join(folder, 'phrase')
  const drive = testDrive(t, { environment: QUICK })
  await drive.up(['--node', proxy.url, '--phrase-out', phrase])
  const top = drive.mountpoint

  // The connection drops in the middle of the CAR, then the daemon dies.
  proxy.inject({ kind: { dropUploadAfterBytes: 8 * MIB }, path: 'dag/import' })
  await programAside('sh', ['-c', 'head -c 67108864 /dev/urandom > big'], top)
  await programAside('sh', ['-c', 'mkdir d; for i in $(seq 1 300); do seq 1 $i > d/$i; done; sync -f .'], top)
  t.true(await until(() => proxy.hits > 0, 250), 'the fault occurred')
  await kubo.kill()
  proxy.heal()
  const down = await untilStatus(t, drive, (status) => status.queue.lastError !== undefined)
  t.true(down.levels.staged.files > 0)
  t.regex(down.queue.lastError ?? '', /node|reach|connect|Kubo/i)

  // While the node is away, reads and writes continue from this machine.
  await proxy.goDown()
  await programAside(
    'sh',
    ['-c', 'echo offline > written-while-away; sync written-while-away; cat d/300 big > /dev/null'],
    top,
  )
  await kubo.restart()
  await proxy.comeBack()
  await drive.must(['sync'], 300_000)
  const after = await drive.json<Status>(['status'])
  t.is(after.levels.staged.files, 0)
  t.is(after.queue.lastError, undefined)
  await reopensEqual(t, drive, proxy.url, phrase)
})

test('S-008 R-21 a Kubo daemon that answers 403 is reported as such, and publishing resumes once it grants access', async (t: ExecutionContext) => {
  t.timeout(10 * 60_000)
  const kubo = await startKubo({ version: '0.43' })
  t.teardown(() => kubo.stop())
  const proxy = await startFaultProxy(kubo.url)
  t.teardown(() => proxy.close())
  const folder = temporaryFolder(t, 'denied')
  const phrase = join(folder, 'phrase')
  const drive = testDrive(t, { environment: QUICK })
  await drive.up(['--node', proxy.url, '--phrase-out', phrase])
  proxy.inject({ kind: { status: 403, body: 'Kubo RPC Access Denied' } })
  await programAside('sh', ['-c', 'echo denied > file; sync file'], drive.mountpoint)
  const denied = await untilStatus(t, drive, (status) => status.queue.lastError !== undefined)
  t.regex(denied.queue.lastError ?? '', /403|key|denied|refused|allow/i)
  t.is(denied.levels.staged.files, 1)
  const refused = await drive.run(['sync'])
  t.not(refused.code, 0, 'sync reports the failure')
  proxy.heal()
  await drive.must(['sync'])
  await reopensEqual(t, drive, proxy.url, phrase)
})

test('S-009 R-15 a truncated stream or a wrong block is never accepted: the reader gets an error, and later the right bytes', async (t: ExecutionContext) => {
  t.timeout(10 * 60_000)
  const kubo = await startKubo({ version: '0.43' })
  t.teardown(() => kubo.stop())
  const proxy = await startFaultProxy(kubo.url)
  t.teardown(() => proxy.close())
  const folder = temporaryFolder(t, 'lying')
  const phrase = join(folder, 'phrase')
  const first = testDrive(t)
  await first.up(['--node', kubo.url, '--phrase-out', phrase])
  await programAside('sh', ['-c', 'head -c 8388608 /dev/urandom > big'], first.mountpoint)
  const hash = (await programAside('sha256sum', [join(first.mountpoint, 'big')])).slice(0, 64)
  await first.must(['sync'])
  await first.unmount()

  const lies = [
    { damageAnswer: true },
    { truncateAnswerAfterBytes: 1000 },
    { truncateAnswerAfterBytes: 1000, cleanly: true },
  ] as const
  for (const kind of lies) {
    const second = testDrive(t)
    await second.up(['--node', proxy.url, '--phrase-file', phrase])
    await programAside('ls', ['-l', second.mountpoint])
    proxy.inject({ kind, path: 'block/get' })
    await t.throwsAsync(
      programAside('cat', [join(second.mountpoint, 'big')]),
      undefined,
      `${JSON.stringify(kind)}: the reader gets an error`,
    )
    proxy.heal()
    // A node that failed is not asked again at once.
    let found: string | undefined
    const reads = async (): Promise<boolean> => {
      const sum = programAside('sha256sum', [join(second.mountpoint, 'big')])
      found = await sum.then((text) => text.slice(0, 64)).catch(() => undefined)
      return found !== undefined
    }
    t.true(await until(reads, 500), second.log())
    t.is(found, hash, JSON.stringify(kind))
    await second.unmount()
  }
})

async function reopensEqual(t: ExecutionContext, drive: TestDrive, node: string, phrase: string): Promise<void> {
  const before = await listingAside(drive.mountpoint)
  await drive.unmount([], 120_000)
  const second = testDrive(t)
  await second.up(['--node', node, '--phrase-file', phrase])
  t.is(await listingAside(second.mountpoint), before)
  t.true(before.length > 0)
  await second.unmount()
}

async function untilStatus(
  t: ExecutionContext,
  drive: TestDrive,
  isWanted: (status: Status) => boolean,
): Promise<Status> {
  let last: Status | undefined
  t.true(await until(async () => isWanted((last = await drive.json<Status>(['status']))), 250), 'status')
  return last!
}
