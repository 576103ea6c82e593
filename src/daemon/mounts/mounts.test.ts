import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { testWhere } from '../../../test/support/available.js'
import { program } from '../../../test/support/drive.js'
import { FILL_DISK, smallDisk } from '../../../test/support/small-disk.js'
import { execFileSync } from 'node:child_process'
import { DriveError, seededRandom, silentLog, sleep } from '../../base/index.js'
import { createRootKey } from '../../crypto/index.js'
import { drivePaths } from '../../platform/index.js'
import type { Holder } from './contract.js'
import { readMountRecord, reserveMountRecord } from './mount-record.js'
import { createMounts, type Mounts, type MountsOptions } from './mounts.js'

const GUARDED = 0o500
const modeOf = (directory: string): number => statSync(directory).mode & 0o7777

/** A drive thread that guards the directory like a mount, and mounts nothing. */
const thread = {
  mount: (directory: string) => {
    const mode = modeOf(directory)
    chmodSync(directory, GUARDED)
    return Promise.resolve({ mountpoint: directory, beneath: 0, bareMode: mode === GUARDED ? undefined : mode })
  },
  unmount: () => Promise.resolve(),
}
const holder = { prepare: () => Promise.resolve(undefined), drop: () => undefined }

function mountsIn(home: string, part: object = {}, options: Partial<MountsOptions> = {}): Mounts {
  return createMounts({
    worker: { thread: { ...thread, ...part } } as unknown as MountsOptions['worker'],
    holder: holder as unknown as Holder,
    losses: { note: () => Promise.resolve() },
    rootKey: createRootKey(seededRandom(1)),
    paths: drivePaths({ DAGDRIVE_HOME: home }),
    log: silentLog,
    onChanged: () => undefined,
    ...options,
  })
}

test('R-60 a mountpoint that cannot be made is refused with the reason', async (t: ExecutionContext) => {
  const home = mkdtempSync(join(tmpdir(), 'dagdrive-mounts-'))
  t.teardown(() => rmSync(home, { recursive: true, force: true }))
  const file = join(home, 'file')
  writeFileSync(file, '')
  const mounts = mountsIn(join(home, 'home'))
  mkdirSync(join(home, 'home'))
  for (const [directory, message] of [
    [file, `${file} is not a directory.`],
    [join(file, 'a'), `The directory ${file}/a could not be created: not a directory (ENOTDIR).`],
    ['/proc/x', 'The directory /proc/x could not be created: no such file or directory (ENOENT).'],
  ] as const)
    await t.throwsAsync(mounts.mount({ directory }), { code: 'NOT_A_DIRECTORY', message })
})

test('S-052 the directory of a restored mount stays guarded, and gets its mode back after the unmount', async (t: ExecutionContext) => {
  const base = mkdtempSync(join(tmpdir(), 'dagdrive-mounts-'))
  t.teardown(() => rmSync(base, { recursive: true, force: true }))
  const [home, directory] = [join(base, 'home'), join(base, 'mount')]
  for (const made of [home, directory]) mkdirSync(made)
  chmodSync(directory, 0o750)
  const first = mountsIn(home)
  const report = await first.mount({ directory })
  await first.detachAll(true)
  first.ended(directory, 'unmounted')
  t.is(modeOf(directory), GUARDED)
  const second = mountsIn(home)
  // After the death of the drive thread, the report is known and the mode is not.
  await second.remount(report)
  await second.unmount(directory, {})
  t.is(modeOf(directory), 0o750)
})

testWhere('root')(
  'S-052 a mount that ends before its name is detached gives the directory its mode back',
  async (t) => {
    const base = mkdtempSync(join(tmpdir(), 'dagdrive-mounts-'))
    t.teardown(() => rmSync(base, { recursive: true, force: true }))
    const [home, directory] = [join(base, 'home'), join(base, 'mount')]
    for (const made of [home, directory]) mkdirSync(made)
    chmodSync(directory, 0o750)
    const mounts = mountsIn(home, {
      unmount: async () => {
        mounts.ended(directory, 'aborted')
        await sleep(100)
        execFileSync('umount', [directory])
      },
    })
    await mounts.mount({ directory })
    execFileSync('mount', ['-t', 'tmpfs', 'none', directory])
    await mounts.unmount(directory, {})
    t.is(modeOf(directory), 0o750)
  },
)

test('S-096 a failed take-over is recorded before the mount and its log of operations end', async (t: ExecutionContext) => {
  const base = mkdtempSync(join(tmpdir(), 'dagdrive-mounts-'))
  t.teardown(() => rmSync(base, { recursive: true, force: true }))
  const reason = new DriveError('MOUNT_FAILED', 'Up to 3 operations are lost.')
  const noted: string[] = []
  const mounts = mountsIn(
    base,
    { takeOver: () => Promise.reject(reason) },
    {
      losses: { note: (what) => Promise.resolve(void noted.push(what)) },
    },
  )
  const report = { directory: join(base, 'nothing'), readOnly: false, allowOther: false }
  await t.throwsAsync(mounts.takeOver({ report, channel: -1, sharedMemory: -1 } as never), { is: reason })
  t.deepEqual(noted, ['After the daemon was killed: Up to 3 operations are lost.'])
})

const recordOf = async (home: string): Promise<string[]> =>
  (await readMountRecord(drivePaths({ DAGDRIVE_HOME: home }).mountsFile, silentLog)).map(({ directory }) => directory)

for (const isReserved of [true, false]) {
  testWhere('root')(
    `S-173 a drive is mounted and unmounted on a full disk, ${isReserved ? 'with' : 'without'} space for the record`,
    async (t) => {
      const base = mkdtempSync(join(tmpdir(), 'dagdrive-mounts-'))
      t.teardown(() => rmSync(base, { recursive: true, force: true }))
      const [home, directory] = [join(base, 'home'), join(base, 'mount')]
      for (const made of [home, directory]) mkdirSync(made)
      chmodSync(directory, 0o750)
      smallDisk(t, home, 1)
      const { mountsFile } = drivePaths({ DAGDRIVE_HOME: home })
      // As an earlier program left it.
      writeFileSync(mountsFile, '[{"directory":"/before"}]')
      if (isReserved) await reserveMountRecord(mountsFile, silentLog)
      t.deepEqual(await recordOf(home), ['/before'])
      program('python3', ['-c', FILL_DISK, join(home, 'filler')])
      const mounts = mountsIn(home)
      for (let round = 0; round < 2; round++) {
        await mounts.mount({ directory })
        t.deepEqual(await recordOf(home), isReserved ? [directory] : ['/before'])
        await mounts.unmount(directory, {})
        t.deepEqual(mounts.list, [])
        t.is(modeOf(directory), 0o750)
        t.deepEqual(await recordOf(home), [], 'removing the record needs no space')
        if (!isReserved) break
      }
      await mounts.mount({ directory })
      await mounts.detachAll(false)
      t.deepEqual(await recordOf(home), [])
    },
  )
}

for (const kind of ['folder', 'link', 'pipe'] as const) {
  test(`S-173 S-093 with a ${kind} in place of the record of mounts nothing is mounted, and a mount can be ended`, async (t) => {
    const base = mkdtempSync(join(tmpdir(), 'dagdrive-mounts-'))
    t.teardown(() => rmSync(base, { recursive: true, force: true }))
    const [home, directory] = [join(base, 'home'), join(base, 'mount')]
    for (const made of [home, directory]) mkdirSync(made)
    chmodSync(directory, 0o750)
    const { mountsFile } = drivePaths({ DAGDRIVE_HOME: home })
    const mounts = mountsIn(home)
    await mounts.mount({ directory })
    rmSync(mountsFile)
    if (kind === 'folder') mkdirSync(mountsFile)
    else if (kind === 'link') symlinkSync(join(base, 'other'), mountsFile)
    else execFileSync('mkfifo', [mountsFile])
    await mounts.unmount(directory, {})
    t.deepEqual(mounts.list, [])
    t.is(modeOf(directory), 0o750)
    const { message } = await t.throwsAsync(mounts.mount({ directory }), { code: 'ACCESS_DENIED' })
    t.true(message.includes('mounts.json'), message)
    t.is(modeOf(directory), 0o750)
    await mounts.detachAll(false)
    rmSync(mountsFile, { recursive: true })
    const again = mountsIn(home)
    await again.mount({ directory })
    t.deepEqual(await recordOf(home), [directory])
  })
}
