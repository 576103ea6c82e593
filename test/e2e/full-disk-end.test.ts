import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { testWhere } from '../support/available.js'
import { program, type TestDrive } from '../support/drive.js'
import { driveOnSmallDisk, FILL_DISK, isMounted } from '../support/small-disk.js'
import { until } from '../support/until.js'
import { listing } from '../support/workload.js'

/** Writes files without `fsync`, then leaves no page of the disk to anybody. */
const WRITE_AND_FILL = `
import os, sys
top = sys.argv[1]
for i in range(30):
    with open(f'{top}/{i}', 'wb') as file: file.write(os.urandom(50000))
os.rename(f'{top}/old', f'{top}/new')
${FILL_DISK}`

interface Full {
  readonly drive: TestDrive
  readonly before: string
  readonly filler: string
  /** Frees the disk. */
  readonly free: () => void
}

async function fullDisk(t: ExecutionContext): Promise<Full> {
  const { drive, filler } = await driveOnSmallDisk(t)
  program('python3', ['-c', WRITE_AND_FILL, drive.mountpoint, filler])
  return { drive, before: listing(drive.mountpoint), filler, free: () => rmSync(filler) }
}

const test = testWhere('fuse', 'root')

test('S-140 S-201 S-004 unmount --now on a full disk stages or leaves the mount, a read-only one ends, and nothing is lost', async (t: ExecutionContext) => {
  const { drive, before, filler, free } = await fullDisk(t)
  const { code, stderr } = await drive.run(['unmount', '--now'])
  // On a slow machine, everything may be staged before the disk is full.
  t.true(code === 32 || code === 3, `${code} ${stderr}`)
  t.is(isMounted(drive), code === 32)
  if (code === 32) t.is(listing(drive.mountpoint), before)
  free()
  if (code === 32) t.is((await drive.run(['unmount', '--now'])).code, 3)
  await drive.mount()
  t.is(listing(drive.mountpoint), before, drive.log())
  await drive.run(['unmount', '--now'])
  program('python3', ['-c', FILL_DISK, filler])
  await drive.mount(['--read-only'])
  t.is(listing(drive.mountpoint), before)
  const ended = await drive.run(['unmount', '--now'])
  t.is(ended.code, 3, ended.stderr)
  t.false(isMounted(drive))
})

test('S-140 S-010 after SIGTERM on a full disk the daemon waits for space and says so, and nothing is lost', async (t: ExecutionContext) => {
  const { drive, before, free } = await fullDisk(t)
  const pid = drive.daemonPid()!
  process.kill(pid, 'SIGTERM')
  const hasEnded = (): boolean => !existsSync(`/proc/${pid}/fd/0`)
  let said: string | undefined
  const saysWhy = async (): Promise<boolean> => {
    if (hasEnded()) return true
    const { code, stdout } = await drive.run(['status', '--json'])
    // A daemon that could stage everything ends at once: the next one answers, or none.
    if (code !== 0) return false
    const status = JSON.parse(stdout) as { lastError?: string; daemon: { pid: number } }
    if (status.daemon.pid === pid && /is ending/.test(status.lastError ?? '')) said = status.lastError
    return said !== undefined
  }
  t.true(await until(saysWhy), drive.log())
  if (said !== undefined) t.regex(said, /is ending, and waits .*disk/)
  t.log(`it waited: ${said !== undefined}`)
  free()
  t.true(await until(hasEnded), drive.log())
  await drive.mount()
  t.is(listing(drive.mountpoint), before, drive.log())
})

/** For each line it gets, writes one more place of a mapping that is never synced. */
const MAP = `
import mmap, os, sys
file = os.open(sys.argv[1], os.O_RDWR)
mapping = mmap.mmap(file, 8192)
os.close(file)
print('ready', flush=True)
for at in (0, 4096):
    sys.stdin.readline()
    mapping[at:at + 6] = b'mapped'
    print('written', flush=True)
sys.stdin.readline()
`

test('S-140 S-179 daemon stop on a full disk ends nothing while bytes of a mapping are unwritten, also of a detached mount', async (t: ExecutionContext) => {
  const { drive, filler } = await driveOnSmallDisk(t)
  const file = join(drive.mountpoint, 'file')
  program('sh', ['-c', 'head -c 8192 /dev/zero > "$0"; sync "$0"', file])
  const mapping = spawn('python3', ['-c', MAP, file], { stdio: ['pipe', 'pipe', 'inherit'], cwd: '/' })
  t.teardown(() => mapping.kill('SIGKILL'))
  await once(mapping.stdout, 'data')
  program('python3', ['-c', FILL_DISK, filler])
  for (const isDetached of [false, true]) {
    mapping.stdin.write('\n')
    await once(mapping.stdout, 'data')
    if (isDetached) program('umount', ['-l', drive.mountpoint])
    const { code, stderr } = await drive.run(['daemon', 'stop'])
    t.is(code, 32, stderr)
  }
  rmSync(filler)
  t.is((await drive.run(['daemon', 'stop'])).code, 3)
  await drive.mount()
  const part = `mapped${'\0'.repeat(4090)}`
  t.is(readFileSync(file, 'latin1'), part + part, drive.log())
})
