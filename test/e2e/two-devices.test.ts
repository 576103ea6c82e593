import { join } from 'node:path'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { ExecutionContext } from 'ava'
import type { MountReport, StatusReport } from '../../src/api/index.js'
import { MIB, seededRandom, sleep } from '../../src/base/index.js'
import { testWhere } from '../support/available.js'
import { program, temporaryFolder, testDrive, type TestDrive } from '../support/drive.js'
import { hardLinks, listing, makeBigFile } from '../support/workload.js'
import { startKubo } from '../kubo/daemon.js'
import { until } from '../support/until.js'

type OpenNode = (t: ExecutionContext, folder: string) => Promise<string>

const kinds: Readonly<Record<string, OpenNode>> = {
  'a store on a disk': async (_t, folder) => `file://${join(folder, 'node')}`,
  'a real Kubo daemon': async (t) => {
    const kubo = await startKubo({ version: '0.43' })
    t.teardown(() => kubo.stop())
    return kubo.url
  },
}

interface Pair {
  readonly folder: string
  readonly a: TestDrive
  readonly b: TestDrive
}

/** Two homes of one drive, without mounts. */
async function pair(t: ExecutionContext, openNode: OpenNode): Promise<Pair> {
  t.timeout(10 * 60_000)
  const folder = temporaryFolder(t, 'pair')
  const node = await openNode(t, folder)
  const phrase = join(folder, 'phrase')
  // Disables automatic publishing.
  const environment = { DAGDRIVE_DEBOUNCE_MS: '600000' }
  const [a, b] = [testDrive(t, { environment }), testDrive(t, { environment })]
  await a.up(['--node', node, '--phrase-out', phrase, '--device-name', 'desk'])
  shell(
    a,
    `mkdir -p folder/deep; for i in $(seq 200); do echo "file $i" > folder/deep/$i; done; echo first > note
     seq 100000 > lines; ln lines folder/same; ln -s note link; chmod 640 note; echo old > gone; printf x > folder/tiny`,
  )
  makeBigFile(join(a.mountpoint, 'big'), 40 * MIB, 'two devices')
  await a.unmount([], 300_000)
  await b.up(['--node', node, '--phrase-file', phrase, '--device-name', 'train'])
  await b.unmount([], 300_000)
  return { folder, a, b }
}

const shell = (drive: TestDrive, script: string): string =>
  program('sh', ['-c', `set -e; ${script}`], { cwd: drive.mountpoint })

/** A copy of all content, to compare with the other device. */
function copyOf(drive: TestDrive, folder: string): string {
  const copy = join(folder, 'copy')
  rmSync(copy, { recursive: true, force: true })
  mkdirSync(copy)
  program('cp', ['-a', `${drive.mountpoint}/.`, copy])
  return copy
}

function same(t: ExecutionContext, drive: TestDrive, copy: string, what: string): void {
  program('diff', ['-r', '--no-dereference', copy, drive.mountpoint])
  t.is(listing(drive.mountpoint), listing(copy), what)
  t.is(hardLinks(drive.mountpoint), hardLinks(copy), what)
}

const TURNS = [
  `echo second >> note; rm gone; mv folder/deep folder/moved; echo new > new; rm folder/moved/7
   printf patch | dd of=big bs=1 seek=20000000 conv=notrunc 2>/dev/null; echo more >> lines`,
  `truncate -s 30M big; ln folder/same third; rm lines; echo again > gone;
   cp big folder/big-too; touch -d 2020-02-02 note; setfattr -n user.k -v v note`,
  `rm -r folder/moved; rm third; mkdir folder/moved; echo deep > folder/moved/only; rm big; mv folder/big-too big`,
  `echo last >> folder/same; mv new folder/moved/; ln -sf other link; seq 50000 > lines`,
]

for (const [kind, openNode] of Object.entries(kinds)) {
  const needs = kind.includes('Kubo') ? (['fuse', 'setfattr', 'go'] as const) : (['fuse', 'setfattr'] as const)
  testWhere(...needs)(`S-013 R-30 two devices in turn over ${kind} see the changes of each other`, async (t) => {
    const { folder, a, b } = await pair(t, openNode)
    let [here, there] = [b, a]
    await here.mount()
    for (const [turn, script] of TURNS.entries()) {
      shell(here, script)
      const copy = copyOf(here, folder)
      await here.must(['sync'], 300_000)
      await here.unmount([], 300_000)
      await there.mount()
      same(t, there, copy, `turn ${turn}`)
      const status = await there.json<StatusReport>(['status'])
      t.is(status.lastError, undefined)
      t.is(status.queue?.changed, 0)
      ;[here, there] = [there, here]
    }
    await here.unmount([], 300_000)
  })
}

testWhere('fuse', 'go')('S-013 a mounted drive reports a newer version, and unmounts without a failure', async (t) => {
  const { folder, a, b } = await pair(t, kinds['a real Kubo daemon']!)
  await a.mount()
  await b.mount()
  shell(b, 'echo from b > note')
  await b.must(['sync'], 300_000)
  const copy = copyOf(b, folder)
  await a.must(['sync'])
  const status = await a.json<StatusReport>(['status'])
  t.is(status.newer?.deviceName, 'train')
  t.is(status.lastError, undefined)
  t.regex(await a.must(['status']), /"train" has published version \d+.*unmount and mount/is)
  t.is(readFileSync(join(a.mountpoint, 'note'), 'utf8'), 'first\n')
  await a.unmount()
  await a.mount()
  same(t, a, copy, 'after a remount')
  t.is((await a.json<StatusReport>(['status'])).newer, undefined)
})

testWhere('fuse')('S-013 R-74 after a kill during a fast-forward, the home repeats it', async (t) => {
  const { folder, a, b } = await pair(t, kinds['a store on a disk']!)
  const seed = process.pid
  const random = seededRandom(seed)
  t.log(`seed ${seed}`)
  for (let round = 0; round < 5; round++) {
    await b.mount()
    shell(
      b,
      `echo ${round} >> note; seq ${round}000 > lines; mkdir -p new; echo ${round} > new/${round}; echo x > folder/tiny`,
    )
    const copy = copyOf(b, folder)
    await b.unmount([], 300_000)
    const mounting = a.mount().catch(() => undefined)
    await sleep(100 + random.next(400))
    a.killAll()
    await mounting
    await a.mount()
    same(t, a, copy, `round ${round}`)
    await a.unmount([], 300_000)
  }
})

testWhere('fuse', 'go')(
  'S-013 R-61 a daemon that keeps running between two mounts takes over newer versions',
  async (t) => {
    const { folder, a, b } = await pair(t, kinds['a real Kubo daemon']!)
    const daemon = a.run(['daemon', 'run'], 300_000)
    await until(() => existsSync(join(a.home, 'control.sock')))
    await a.mount()
    await a.unmount()
    const pid = a.daemonPid()
    await b.mount()
    shell(b, 'echo from b > note; rm gone; seq 10 > lines')
    const copy = copyOf(b, folder)
    await b.unmount([], 300_000)
    // A drive that was just opened has just checked the heads.
    await sleep(5_000)
    // Two concurrent requests reopen the drive once, and the mount of the first one stays.
    const mounting = [a.mount(), a.mount()]
    await Promise.race(mounting)
    const opened = await open(join(a.mountpoint, 'note'), 'r+')
    await Promise.all(mounting)
    await opened.sync()
    await opened.close()
    same(t, a, copy, 'remounted')
    shell(a, 'echo from a >> note')
    await a.unmount([], 300_000)
    t.is(a.daemonPid(), pid)
    await b.mount()
    t.is(readFileSync(join(b.mountpoint, 'note'), 'utf8'), 'from b\nfrom a\n')
    await b.unmount([], 300_000)
    await a.stop()
    t.is((await daemon).code, 0)
  },
)

testWhere('fuse')(
  'S-013 unpublished changes while another device is ahead: DIVERGED, and nothing is lost',
  async (t) => {
    const { a, b } = await pair(t, kinds['a store on a disk']!)
    await a.mount()
    shell(a, 'echo from a > mine; echo from a >> note')
    const left = await a.run(['unmount', a.mountpoint, '--now'])
    t.is(left.code, 3, left.stderr)
    t.regex(left.stdout, /uploaded when the drive is next in use/)
    await b.mount()
    shell(b, 'echo from b >> note; echo b > theirs')
    await b.unmount([], 300_000)
    const heads = await headsOf(b)

    await a.mount()
    t.is(readFileSync(join(a.mountpoint, 'mine'), 'utf8'), 'from a\n')
    t.is(readFileSync(join(a.mountpoint, 'note'), 'utf8'), 'first\nfrom a\n')
    const refused = await a.run(['sync'])
    t.is(refused.code, 25, refused.stderr)
    t.regex(refused.stderr, /"train" has published version \d+.*unpublished changes here.*merging.*unmount --now/s)
    t.regex((await a.run(['unmount', a.mountpoint])).stderr, /merging/)
    const leaving = await a.run(['unmount', a.mountpoint, '--now'])
    t.is(leaving.code, 3)
    t.regex(leaving.stdout, /merging/)
    t.notRegex(leaving.stdout, /uploaded when/)
    // Again: they are still there.
    await a.mount()
    t.is(readFileSync(join(a.mountpoint, 'mine'), 'utf8'), 'from a\n')
    await a.run(['unmount', a.mountpoint, '--now'])
    t.deepEqual(await headsOf(b), heads)
  },
)

async function headsOf(drive: TestDrive): Promise<unknown> {
  await drive.mount()
  const { publishedHeight } = await drive.json<StatusReport>(['status'])
  const seen = listing(drive.mountpoint)
  await drive.unmount([], 300_000)
  return { publishedHeight, seen }
}

testWhere('fuse')('S-013 mount reports that the node could not be asked for newer versions', async (t) => {
  const { a, b } = await pair(t, kinds['a store on a disk']!)
  t.is((await b.json<MountReport>(['mount', b.mountpoint])).newerUnknown, undefined)
  await b.unmount()
  await b.stop()
  // A store on a disk has one user at a time.
  await a.mount()
  const mounted = await b.run(['mount', b.mountpoint])
  t.is(mounted.code, 0)
  t.regex(mounted.stderr, /whether another device has published since is not known: the node did not say \([A-Z_]+\)/)
  await a.unmount()
})
