import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { DriveError, silentLog } from '../../base/index.js'
import { markIfAllPublished, unmarkAllPublished } from '../lifecycle/ending/all-published-mark.js'
import { createControl, type ControlOptions } from './control.js'

const context = { signal: new AbortController().signal, progress: () => undefined }

for (const force of [false, true]) {
  test(`S-140 on a full disk, unmount --now${force ? ' --force ends the mount and not the daemon' : ' leaves the mount'}`, async (t: ExecutionContext) => {
    const calls: string[] = []
    const full = new DriveError('NO_SPACE', 'The disk is full.')
    const drive = {
      mounts: [{ directory: '/mounted' }],
      writeBack: () => Promise.resolve(),
      flush: () => Promise.reject(full),
      unmount: () => Promise.resolve(void calls.push('unmounted')),
    }
    const open = (): Promise<typeof drive> => Promise.resolve(drive)
    const deadMounts = { takeDetached: () => [] }
    const daemon = { requireDrive: open, requireOpen: open, giveUpWaiting: () => Promise.resolve(), deadMounts }
    const options = { daemon, startedMs: 0, stay: false, endSoon: () => void calls.push('ending') }
    const control = createControl(options as unknown as ControlOptions)
    await t.throwsAsync(control.unmount({ now: true, force }, context), { is: full })
    t.deepEqual(calls, force ? ['unmounted'] : [])
  })
}

test('S-201 on a full disk, unmount --now of a read-only mount ends it, and the daemon keeps what is not staged', async (t: ExecutionContext) => {
  const calls: string[] = []
  const mounts = [{ directory: '/mounted', readOnly: true }]
  const none = { files: 0, bytes: 0 }
  const drive = {
    mounts,
    sync: { status: () => ({ phase: 'retrying' }) },
    counts: () => Promise.resolve({ held: none, staged: { files: 1, bytes: 2 }, dirtyInodes: 1 }),
    writeBack: () => Promise.resolve(),
    flush: () => Promise.reject(new DriveError('NO_SPACE', 'The disk is full.')),
    unmount: () => Promise.resolve(void calls.push(`unmounted ${mounts.splice(0).length}`)),
  }
  const open = (): Promise<typeof drive> => Promise.resolve(drive)
  const daemon = {
    requireDrive: open,
    requireOpen: open,
    giveUpWaiting: () => Promise.resolve(),
    deadMounts: { takeDetached: () => [] },
  }
  const options = { daemon, startedMs: 0, stay: false, endSoon: () => void calls.push('ending') }
  const report = await createControl(options as unknown as ControlOptions).unmount({ now: true }, context)
  t.like(report, { unmounted: ['/mounted'], staged: { files: 1, bytes: 2 }, endingPid: undefined })
  t.deepEqual(calls, ['unmounted 1'])
})

test('S-010 unmount --force ends the mount before it waits for the node', async (t: ExecutionContext) => {
  const calls: string[] = []
  const away = new DriveError('NODE_DENIED', 'The node refuses the key.')
  const sync = {
    status: () => ({ node: { state: 'reachable' } }),
    syncNow: () => (calls.push('published'), Promise.reject(away)),
  }
  const drive = {
    mounts: [{ directory: '/mounted' }],
    sync,
    flush: () => Promise.resolve(),
    unmount: () => Promise.resolve(void calls.push('unmounted')),
  }
  const open = (): Promise<typeof drive> => Promise.resolve(drive)
  const deadMounts = { takeDetached: () => [] }
  const daemon = { requireDrive: open, requireOpen: open, giveUpWaiting: () => Promise.resolve(), deadMounts }
  const options = { daemon, startedMs: 0, stay: false, endSoon: () => undefined }
  const control = createControl(options as unknown as ControlOptions)
  await t.throwsAsync(control.unmount({ force: true }, context), { is: away })
  t.deepEqual(calls, ['unmounted', 'published'])
})

test('S-140 S-179 daemon stop fails, and nothing ends, if dirty pages of a mapping cannot be written', async (t: ExecutionContext) => {
  const calls: string[] = []
  const full = new DriveError('NO_SPACE', 'The disk is full.')
  const drive = { writeBack: () => Promise.reject(full), flush: () => Promise.resolve() }
  const nothing = (): Promise<void> => Promise.resolve()
  const daemon = { drive, giveUpWaiting: nothing, settled: nothing }
  const options = { daemon, startedMs: 0, stay: false, endSoon: () => void calls.push('ending') }
  const control = createControl(options as unknown as ControlOptions)
  await t.throwsAsync(control.stop({}, context), { is: full })
  t.deepEqual(calls, [])
})

test('S-012 status waits for the mounts that an open drive restores after a crash', async (t: ExecutionContext) => {
  const mounts: { directory: string }[] = []
  const sync = { status: () => ({ phase: 'idle', node: { state: 'unknown' } }) }
  const drive = {
    mounts,
    sync,
    counts: () => Promise.reject(new DriveError('NO_DRIVE', mounts[0]?.directory ?? 'none')),
  }
  const restored = (): Promise<typeof drive> =>
    new Promise((resolve) => setImmediate(() => resolve((mounts.push({ directory: '/mounted' }), drive))))
  const losses = { show: () => Promise.resolve([]) }
  const daemon = { state: 'open', drive, losses, requireOpen: restored, config: () => Promise.resolve({}) }
  const options = { daemon, startedMs: 0, stay: false, endSoon: () => undefined }
  const control = createControl(options as unknown as ControlOptions)
  await t.throwsAsync(control.status({}, context), { message: '/mounted' })
})

test('S-210 S-211 unmount --now of a locked drive detaches its dead mounts, and says whether all is known to be published', async (t: ExecutionContext) => {
  const folder = mkdtempSync(join(tmpdir(), 'dagdrive-locked-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const locked = (): Promise<never> => Promise.reject(new DriveError('LOCKED', 'The drive is locked.'))
  let dead = ['/mounted']
  const deadMounts = { detach: () => Promise.resolve(), takeDetached: () => dead.splice(0) }
  const daemon = { state: 'locked', paths: { dataDirectory: folder }, requireDrive: locked, deadMounts }
  const options = { daemon, startedMs: 0, stay: false, endSoon: () => undefined }
  const control = createControl(options as unknown as ControlOptions)
  await t.throwsAsync(control.unmount({}, context), { code: 'LOCKED' })
  t.like(await control.unmount({ now: true }, context), { unmounted: ['/mounted'], locked: true, mayBeStaged: true })
  await t.throwsAsync(control.unmount({ now: true, directory: '/mounted' }, context), { code: 'NOT_MOUNTED' })
  dead = ['/mounted']
  const none = { files: 0, bytes: 0 }
  const countsOf = (dirtyInodes: number) => () => Promise.resolve({ dirtyInodes, held: none, staged: none } as never)
  await markIfAllPublished(folder, { counts: countsOf(1) }, silentLog)
  t.like(await control.unmount({ now: true, directory: '/mounted' }, context), { mayBeStaged: true })
  await markIfAllPublished(folder, { counts: countsOf(0) }, silentLog)
  t.like(await control.unmount({ now: true }, context), { unmounted: [], mayBeStaged: false })
  await unmarkAllPublished(folder)
  t.like(await control.unmount({ now: true }, context), { mayBeStaged: true })
})
