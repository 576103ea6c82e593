/** `dagdrive fsck` on the real program: blocks rot in each kind of node, and on this machine. */
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { startKubo } from '../kubo/daemon.js'
import { testWhere } from '../support/available.js'
import { program, programLater, temporaryFolder, testDrive, type TestDrive } from '../support/drive.js'
import { damageCache, damageKubo, damageStore } from '../support/rot.js'
import { until } from '../support/until.js'
import { listing } from '../support/workload.js'

interface Report {
  readonly open: number
  readonly healed: number
  readonly lost: number
  readonly findings: readonly { readonly path?: string; readonly outcome: string; readonly where: string }[]
}

interface ScrubStatus {
  readonly publishedHeight: number
  readonly scrub: { readonly endedMs?: number; readonly open: number; readonly lost: number }
}

/** Runs fsck and checks that the exit status matches the report. */
async function fsck(t: ExecutionContext, drive: TestDrive, args: readonly string[]): Promise<Report> {
  const { code, stdout, stderr } = await drive.run(['fsck', ...args, '--json'])
  t.true([0, 5, 6].includes(code), `${code} ${stderr}`)
  const report = JSON.parse(stdout) as Report
  t.is(code, report.lost > 0 ? 6 : report.open > 0 ? 5 : 0, stdout)
  return report
}

/** The files are first written outside, to compare the mount with. */
function fill(t: ExecutionContext, drive: TestDrive): string {
  const reference = temporaryFolder(t, 'reference')
  mkdirSync(join(reference, 'docs'))
  writeFileSync(join(reference, 'docs', 'big\u001b[2J'), randomBytes(1_500_000)) // in a segment that is not shared (S-186)
  for (let i = 0; i < 20; i++) writeFileSync(join(reference, 'docs', `file ${i}`), randomBytes(5000))
  program('cp', ['-a', `${reference}/.`, drive.mountpoint])
  return reference
}

/** Checks that a device with only the phrase reads all content. */
async function seenElsewhere(
  t: ExecutionContext,
  node: readonly string[],
  phrase: string,
  reference: string,
): Promise<void> {
  const other = testDrive(t)
  await other.up([...node, '--phrase-file', phrase])
  program('diff', ['-r', reference, other.mountpoint])
  await other.unmount()
}

for (const kind of ['the embedded store', 'a store in a folder'] as const) {
  testWhere('fuse')(
    `S-071 S-072 R-77 a block rots in ${kind}: fsck names the file, repairs it, and changes nothing else`,
    async (t: ExecutionContext) => {
      t.timeout(10 * 60_000)
      const folder = temporaryFolder(t, 'fsck')
      const store = kind === 'the embedded store' ? undefined : join(folder, 'node')
      const node = store === undefined ? [] : ['--node', `file://${store}`]
      const phrase = join(folder, 'phrase')
      const drive = testDrive(t)
      await drive.up([...node, '--phrase-out', phrase])
      const reference = fill(t, drive)
      await drive.must(['sync'])
      const before = listing(drive.mountpoint)
      const height = (await drive.json<{ publishedHeight: number }>(['status'])).publishedHeight
      t.like(await fsck(t, drive, ['--node']), { open: 0, healed: 0, lost: 0 })

      await damageStore(store ?? join(drive.home, 'node'))
      t.like(await fsck(t, drive, []), { open: 0, lost: 0 }, 'no local damage')
      const found = await fsck(t, drive, ['--node'])
      t.deepEqual(
        found.findings.map(({ path, outcome, where }) => [path, outcome, where]),
        [['docs/big\u001b[2J', 'open', 'node']],
      )
      const said = await drive.run(['fsck', '--node'])
      t.is(said.code, 5)
      t.regex(said.stdout, /DAMAGED +"docs\/big\\u001b\[2J": block damaged on the node/)
      t.false(said.stdout.includes('\u001b'), 'no escape sequence reaches the terminal')
      const status = await drive.json<{ warnings: string[]; scrub: { open: number } }>(['status'])
      t.is(status.scrub.open, 1)
      t.regex(status.warnings.join(), /damaged copies of 1 block/)

      // Programs continue meanwhile, in the damaged file.
      const script = 'for i in $(seq 200); do echo $i >> log; echo $i | dd of="$0" conv=notrunc 2>/dev/null; done'
      const writer = programLater('sh', ['-c', script, join('docs', 'big\u001b[2J')], drive.mountpoint)
      const healed = await fsck(t, drive, ['--node', '--repair'])
      t.like(healed, { open: 0, lost: 0 })
      t.is(await writer.done, 0)
      t.is(program('tail', ['-n', '1', join(drive.mountpoint, 'log')]), '200\n')
      t.is(program('head', ['-c', '4', join(drive.mountpoint, 'docs', 'big\u001b[2J')]), '200\n')
      program('rm', [join(drive.mountpoint, 'log')])
      program('cp', ['-a', join(reference, 'docs'), drive.mountpoint])
      program('touch', ['-r', reference, drive.mountpoint])
      await drive.must(['sync'])
      t.is(listing(drive.mountpoint), before)
      t.like(await fsck(t, drive, ['--node']), { open: 0, healed: 0, lost: 0 })
      t.true((await drive.json<{ publishedHeight: number }>(['status'])).publishedHeight > height)
      await drive.unmount()
      if (store !== undefined) await seenElsewhere(t, node, phrase, reference)
    },
  )
}

for (const version of ['0.40', '0.43'] as const) {
  testWhere('fuse', 'go')(
    `S-071 S-073 R-77 blocks rot in a real Kubo ${version}: they are republished under other CIDs, and the phrase reads everything`,
    async (t: ExecutionContext) => {
      t.timeout(10 * 60_000)
      const kubo = await startKubo({ version })
      t.teardown(() => kubo.stop())
      const node = ['--node', kubo.url]
      const phrase = join(temporaryFolder(t, 'fsck'), 'phrase')
      const drive = testDrive(t)
      await drive.up([...node, '--phrase-out', phrase])
      const reference = fill(t, drive)
      await drive.must(['sync'])
      const before = listing(drive.mountpoint)
      // The largest block is a chunk of the big file. Then all metadata and the whole pin tree, then any block.
      const victims = [
        (sizes: number[]) => sizes.map((_, i) => i < 1),
        (sizes: number[]) => sizes.map((size) => size < 4096),
        (sizes: number[]) => sizes.map((_, i) => i % 2 === 0),
      ]
      for (const [round, choose] of victims.entries()) {
        const damaged = damageKubo(kubo.repo, (files) => {
          const isChosen = choose(files.map(({ bytes }) => bytes))
          return files.filter((_, i) => isChosen[i])
        })
        t.true(damaged > 0)
        const found = await fsck(t, drive, ['--node'])
        t.true(found.open > 0 && found.lost === 0 && found.healed === 0, `${round} ${JSON.stringify(found)}`)
        const repaired = await fsck(t, drive, ['--node', '--repair'])
        t.true(repaired.healed > 0 && repaired.open + repaired.lost === 0, `${round} ${JSON.stringify(repaired)}`)
        t.like(await fsck(t, drive, ['--node']), { open: 0, healed: 0, lost: 0 }, String(round))
        t.is(listing(drive.mountpoint), before)
      }
      // With removed files: Kubo remembers that it had the blocks, and skips them as well.
      damageKubo(kubo.repo, (files) => files.filter(({ bytes }) => bytes > 60_000), 'remove')
      const gone = await fsck(t, drive, ['--node'])
      t.true(gone.open > 0 && gone.lost === 0, JSON.stringify(gone))
      t.like(await fsck(t, drive, ['--node', '--repair']), { open: 0, lost: 0 })
      t.like(await fsck(t, drive, ['--node']), { open: 0, healed: 0, lost: 0 })
      program(kubo.program, ['repo', 'gc', '-q'], { env: kubo.env })
      await seenElsewhere(t, node, phrase, reference)
    },
  )
}

testWhere('fuse', 'go')(
  'S-071 S-072 R-77 local rot: fsck finds it while the node is away, and repairs it when the node is back',
  async (t: ExecutionContext) => {
    t.timeout(10 * 60_000)
    const kubo = await startKubo({ version: '0.43' })
    t.teardown(() => kubo.stop())
    const drive = testDrive(t)
    await drive.up(['--node', kubo.url])
    const reference = fill(t, drive)
    await drive.must(['sync'])
    damageCache(join(drive.home, 'data'))
    await kubo.kill()
    const found = await fsck(t, drive, [])
    t.true(found.open === 1 && found.lost === 0, JSON.stringify(found))
    t.is(found.findings[0]?.where, 'here')
    await kubo.restart()
    t.like(await fsck(t, drive, ['--repair']), { open: 0, healed: 1, lost: 0 })
    t.like(await fsck(t, drive, ['--node']), { open: 0, healed: 0, lost: 0 })
    program('diff', ['-r', reference, drive.mountpoint])
  },
)

testWhere('fuse')(
  'S-071 R-77 a block without any copy: fsck names the file, and other files are readable',
  async (t: ExecutionContext) => {
    t.timeout(10 * 60_000)
    const folder = temporaryFolder(t, 'fsck')
    const phrase = join(folder, 'phrase')
    const node = ['--node', `file://${join(folder, 'node')}`]
    const first = testDrive(t)
    await first.up([...node, '--phrase-out', phrase])
    const reference = fill(t, first)
    await first.must(['sync'])
    await first.unmount()
    await damageStore(join(folder, 'node'))

    const second = testDrive(t)
    await second.up([...node, '--phrase-file', phrase])
    for (const args of [['--node'], ['--node', '--repair']]) {
      const found = await fsck(t, second, args)
      t.deepEqual(
        found.findings.map(({ path, outcome }) => [path, outcome]),
        [['docs/big\u001b[2J', 'lost']],
      )
    }
    program('diff', ['-r', '-x', 'big*', reference, second.mountpoint])
    const refused = await second.run(['fsck', '--node'])
    t.is(refused.code, 6)
    t.regex(refused.stdout, /LOST +"docs\/big\\u001b\[2J"/)
  },
)

testWhere('fuse', 'go')(
  'S-074 S-075 R-77 the scrub repairs a rotten block in a real Kubo by itself, and status shows no damage afterwards',
  async (t: ExecutionContext) => {
    t.timeout(10 * 60_000)
    const kubo = await startKubo({ version: '0.43' })
    t.teardown(() => kubo.stop())
    const node = ['--node', kubo.url]
    const phrase = join(temporaryFolder(t, 'fsck'), 'phrase')
    const drive = testDrive(t, { environment: { DAGDRIVE_DEBOUNCE_MS: '100' } })
    await drive.up([...node, '--phrase-out', phrase])
    const reference = fill(t, drive)
    await drive.must(['sync'])
    const { publishedHeight } = await drive.json<{ publishedHeight: number }>(['status'])
    await drive.unmount()
    damageKubo(kubo.repo, (files) => files.slice(0, 1))
    const path = join(drive.home, 'config.json')
    const config = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
    writeFileSync(path, JSON.stringify({ ...config, scrubBytesPerSecond: 100_000_000 }))
    await drive.mount()
    let status: ScrubStatus | undefined
    const isDone = async (): Promise<boolean> => {
      const now = (status = await drive.json<ScrubStatus>(['status']))
      return now.scrub.endedMs !== undefined && now.publishedHeight > publishedHeight
    }
    t.true(await until(isDone, 500), drive.log())
    t.like(status!.scrub, { open: 0, lost: 0 }, JSON.stringify(status!))
    t.is(status!.publishedHeight, publishedHeight + 1)
    t.like(await fsck(t, drive, ['--node']), { open: 0, healed: 0, lost: 0 })
    await drive.unmount()
    await seenElsewhere(t, node, phrase, reference)
  },
)
