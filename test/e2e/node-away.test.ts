import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { sleep } from '../../src/base/index.js'
import { testWhere } from '../support/available.js'
import { programAside, temporaryFolder, testDrive } from '../support/drive.js'
import { projectRoot } from '../support/sources.js'
import { startKubo } from '../kubo/daemon.js'
import { until } from '../support/until.js'

const test = testWhere('fuse')

interface Status {
  readonly lastError?: string
  readonly warnings?: readonly string[]
  readonly mounts: readonly unknown[]
}

testWhere('fuse', 'go')(
  'S-020 S-166 S-167 S-198 on a second device with the node away, status says what is not known, a file that is not here can be appended to, a new file survives, and unmount waits only if something is to be uploaded',
  async (t: ExecutionContext) => {
    t.timeout(10 * 60_000)
    const kubo = await startKubo({ version: '0.43' })
    t.teardown(() => kubo.stop())
    const phrase = join(temporaryFolder(t, 'away'), 'phrase')
    const first = testDrive(t)
    await first.up(['--node', kubo.url, '--phrase-out', phrase])
    const make =
      'head -c 300000 /dev/urandom > file; cp file same; head -c 900 /dev/urandom > small; mkdir deep; echo > deep/x'
    await programAside('sh', ['-c', make], first.mountpoint)
    const sums = await programAside('sha256sum', ['file', 'same', 'small'], first.mountpoint)
    await first.must(['sync'])
    await first.unmount()

    const second = testDrive(t)
    await second.up(['--node', kubo.url, '--phrase-file', phrase])
    const top = second.mountpoint
    await programAside('ls', ['-l'], top)
    t.regex(await second.must(['status']), /published {2}at least 3 files/, 'deep was not read')
    await programAside('ls', ['deep'], top)
    t.regex(await second.must(['status']), /published {2}4 files/)
    const pid = second.daemonPid()
    await kubo.kill()
    const work = `
      echo new > new; echo more >> file; truncate -s 1000 same; echo cut >> same
      dd if=file of=/dev/null bs=4096 count=1 2>/dev/null && exit 1
      printf inside | dd of=file bs=1 seek=5000 conv=notrunc 2>/dev/null && exit 1
      mkdir d && mv new d/new && cat d/new`
    t.is(await programAside('sh', ['-c', work], top), 'new\n')
    // Meanwhile the background stages, commits and tries to upload.
    await sleep(3000)
    t.is(await programAside('sh', ['-c', 'cat d/new; stat -c %s file same; sync d/new'], top), 'new\n300005\n1004\n')
    t.is(second.daemonPid(), pid)
    t.notRegex(second.log(), /drive thread failed|unhandled|uncaught/)
    await second.stop()
    await second.mount()
    t.regex(await second.must(['status']), /No copy is on another machine/)

    await kubo.restart()
    await second.must(['sync'], 120_000)
    const check = 'head -c 300000 file | sha256sum; tail -c 5 file; head -c 1000 same | sha256sum; tail -c 4 same'
    const seen = await programAside('sh', ['-c', check], top)
    t.is(seen.split(' ')[0], sums.split(' ')[0])
    t.regex(seen, /more\n/)
    t.regex(seen, /cut\n$/)

    await kubo.kill()
    const unmounted = await second.run(['unmount', top], 60_000)
    t.is(unmounted.code, 0, unmounted.stderr)
    t.regex(unmounted.stdout, /Everything is published\. The node does not answer/)
  },
)

test('S-022 S-096 when the drive thread dies, status and log count the data that was only in its memory, also after a restart', async (t: ExecutionContext) => {
  t.timeout(10 * 60_000)
  const trigger = join(temporaryFolder(t, 'end'), 'now')
  const preload = new URL(`file://${join(projectRoot, 'dist/test/support/end-drive-thread.js')}`)
  const drive = testDrive(t, {
    holder: false,
    mayFail: true,
    environment: { NODE_OPTIONS: `--import=${preload.href}`, DAGDRIVE_TEST_END_THREAD: trigger },
  })
  await drive.up()
  const top = drive.mountpoint
  await programAside('sh', ['-c', 'echo staged > staged; sync staged'], top)
  // A continuous writer, so that there is always data in memory.
  const writing = programAside('sh', ['-c', 'while echo on; do :; done > held; true'], top).catch(() => '')
  await sleep(500)
  writeFileSync(trigger, '')
  await writing
  let status: Status = { mounts: [] }
  await until(async () => {
    status = await drive.json<Status>(['status'])
    return status.mounts.length === 1 && /started again/.test(status.lastError ?? '')
  }, 100)
  t.regex(
    status.lastError ?? '',
    /ended by a test\. Lost, because not yet on disk: \d+ files? with \d+ bytes, .*started again\./,
  )
  t.regex(drive.log(), /died with changes that were only in its memory files=1 bytes=[1-9]/)
  t.is(await programAside('cat', ['staged'], top), 'staged\n')
  await drive.unmount()
  await drive.run(['daemon', 'stop'])
  await drive.mount()
  const after = await drive.json<Status>(['status'])
  t.is(after.lastError, undefined)
  t.regex(after.warnings?.join('\n') ?? '', /^20\S+Z: Lost, because not yet on disk: \d+ files? with \d+ bytes/)
  await drive.unmount()
})
