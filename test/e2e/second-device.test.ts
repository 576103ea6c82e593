import { rmSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { MIB } from '../../src/base/index.js'
import { testWhere } from '../support/available.js'
import { program, temporaryFolder, testDrive } from '../support/drive.js'
import {
  checkDatabase,
  hardLinks,
  listing,
  makeBigFile,
  makeDatabase,
  makeOddities,
  makeRepository,
  makeSourceTar,
} from '../support/workload.js'
import { startKubo } from '../kubo/daemon.js'

interface Kind {
  /** How a device reaches the node. */
  readonly open: (t: ExecutionContext, folder: string) => Promise<readonly string[]>
  readonly bigFileBytes: number
}

const kinds: Readonly<Record<string, Kind>> = {
  'the embedded store on a separate disk': {
    open: async (_t, folder) => ['--node', `file://${join(folder, 'node')}`],
    bigFileBytes: 256 * MIB,
  },
  'a real Kubo daemon': {
    open: async (t) => {
      const kubo = await startKubo({ version: '0.43' })
      t.teardown(() => kubo.stop())
      return ['--node', kubo.url]
    },
    bigFileBytes: 512 * MIB,
  },
}

for (const [kind, { open, bigFileBytes }] of Object.entries(kinds)) {
  const needs = kind.includes('Kubo')
    ? (['fuse', 'git', 'sqlite3', 'setfattr', 'go'] as const)
    : (['fuse', 'git', 'sqlite3', 'setfattr'] as const)
  testWhere(...needs)(
    `S-003 R-20 R-21 R-42 a lost device is restored from the phrase and ${kind}`,
    async (t: ExecutionContext) => {
      t.timeout(15 * 60_000)
      const folder = temporaryFolder(t, 'e2e')
      const node = await open(t, folder)
      const phrase = join(folder, 'phrase')
      const first = testDrive(t)
      await first.up([...node, '--phrase-out', phrase])
      const top = first.mountpoint

      const tar = join(folder, 'source.tar')
      t.true(makeSourceTar(tar) >= 5_000)
      mkdirSync(join(folder, 'plain'))
      mkdirSync(join(top, 'source'))
      program('tar', ['xf', tar, '-C', join(folder, 'plain')])
      program('tar', ['xf', tar, '-C', join(top, 'source')])
      program('diff', ['-r', join(folder, 'plain'), join(top, 'source')])
      makeRepository(join(folder, 'repository'))
      program('git', ['clone', '-q', join(folder, 'repository'), join(top, 'clone')])
      t.is(program('git', ['-C', join(top, 'clone'), 'fsck', '--full']), '')
      makeDatabase(join(top, 'database.sqlite'))
      const database = checkDatabase(join(top, 'database.sqlite'))
      t.regex(database, /^ok\n/)
      makeBigFile(join(top, 'big'), bigFileBytes, 'dagdrive')
      makeOddities(top)

      const reference = join(folder, 'reference')
      mkdirSync(reference)
      program('cp', ['-a', `${top}/.`, reference], { timeoutMs: 300_000 })
      const expected = listing(reference)
      t.is(listing(top), expected, 'the mount of the first device')
      await first.must(['sync'], 600_000)
      await first.unmount([], 300_000)
      rmSync(first.home, { recursive: true })

      const second = testDrive(t)
      await second.up([...node, '--phrase-file', phrase])
      // With the hash of every file.
      t.is(listing(second.mountpoint), expected, 'the mount of the second device')
      t.is(hardLinks(second.mountpoint), hardLinks(reference))
      t.is(checkDatabase(join(second.mountpoint, 'database.sqlite')), database)
      t.is(program('git', ['-C', join(second.mountpoint, 'clone'), 'fsck', '--full']), '')

      await changesTravelBack(t, second.mountpoint, async () => {
        await second.must(['sync'], 300_000)
        await second.unmount([], 300_000)
        const third = testDrive(t)
        await third.up([...node, '--phrase-file', phrase])
        return third.mountpoint
      })
    },
  )
}

/** The restored drive is a full drive: its changes are visible to the next device. */
async function changesTravelBack(t: ExecutionContext, top: string, reopen: () => Promise<string>): Promise<void> {
  const script = `
    set -e
    rm -r source/@*; mv clone renamed; echo more >> database.note; cd odd
    echo changed > deep/three; ln two four; rm one; setfattr -x user.note two; mv big renamed-big
    printf patch | dd of=../big bs=1 seek=200000000 conv=notrunc 2>/dev/null; truncate -s 5M sparse`
  program('sh', ['-c', script], { cwd: top })
  const before = listing(top)
  const links = hardLinks(top)
  const again = await reopen()
  t.is(listing(again), before, 'the third device')
  t.is(hardLinks(again), links)
}
