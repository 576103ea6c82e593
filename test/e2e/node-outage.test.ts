/** A node that is away: the status shows it at once, and the queue resumes soon after it is back. */
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { sleep, systemClock } from '../../src/base/index.js'
import { startKubo } from '../kubo/daemon.js'
import { startFaultProxy } from '../kubo/fault-proxy.js'
import { testWhere } from '../support/available.js'
import { programAside, temporaryFolder, testDrive } from '../support/drive.js'
import { until } from '../support/until.js'

interface Status {
  readonly node: { readonly state: string; readonly knownForMs?: number }
  readonly queue: { readonly nextTryMs?: number; readonly state: string }
  readonly publishedHeight: number
}

testWhere('fuse', 'go')(
  'S-049 S-007 manual tries do not slow the queue; a failed read shows the outage; the return of the node is noticed',
  async (t: ExecutionContext) => {
    t.timeout(10 * 60_000)
    const kubo = await startKubo({ version: '0.43' })
    t.teardown(() => kubo.stop())
    const proxy = await startFaultProxy(kubo.url)
    t.teardown(() => proxy.close())
    const phrase = join(temporaryFolder(t, 'outage'), 'phrase')
    const first = testDrive(t)
    await first.up(['--node', kubo.url, '--phrase-out', phrase])
    await programAside('sh', ['-c', 'head -c 3000000 /dev/urandom > far'], first.mountpoint)
    await first.unmount()

    const drive = testDrive(t, { environment: { DAGDRIVE_DEBOUNCE_MS: '300' } })
    await drive.up(['--node', proxy.url, '--phrase-file', phrase])
    await programAside('ls', ['-l', drive.mountpoint])
    t.is((await drive.json<Status>(['status'])).node.state, 'reachable')
    const beforeMs = systemClock.monotonicMs()
    await proxy.goDown()
    await t.throwsAsync(programAside('cat', [join(drive.mountpoint, 'far')]))
    const down = await drive.json<Status>(['status'])
    t.is(down.node.state, 'unreachable', 'the failed read is recorded')
    const outageMs = systemClock.monotonicMs() - beforeMs
    t.true((down.node.knownForMs ?? Infinity) <= outageMs, `${down.node.knownForMs} ${outageMs}`)

    await programAside('sh', ['-c', 'echo new > new; sync new'], drive.mountpoint)
    for (let hand = 0; hand < 8; hand++) t.not((await drive.run(['sync'])).code, 0)
    let waiting = await drive.json<Status>(['status'])
    // Meanwhile the queue may be at a try of its own.
    await until(async () => (waiting = await drive.json<Status>(['status'])).queue.state === 'retrying', 50)
    t.is(waiting.queue.state, 'retrying', drive.log())
    const before = waiting.publishedHeight
    await proxy.comeBack()
    const backMs = systemClock.monotonicMs()
    let after = waiting
    while (after.publishedHeight === before) {
      await sleep(500)
      after = await drive.json<Status>(['status'])
    }
    t.log(`published ${Math.round((systemClock.monotonicMs() - backMs) / 1000)} s after the node was back`)
    t.is(after.node.state, 'reachable')
  },
)
