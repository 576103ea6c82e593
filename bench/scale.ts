/**
 * The cost of a drive with much content: resident memory of the daemon (its peak, and a minute after the load), and
 * times. Uses the real program: command line, daemon, holder, kernel mount, embedded node.
 *   node dist/bench/scale.js [--loads files,huge,scattered] [--part 1] [--rest 60] [--keep FOLDER] [--away] [--record]
 *   node dist/bench/scale.js --loads again --keep FOLDER
 * With `--part 10` each size is a tenth: of 1,000,000 files, one file of 1 TiB made by copy_file_range, 20 GiB of
 * random 4 KiB writes. `--keep` leaves the drive in a folder, and `again` mounts it from there and lists a directory,
 * so that these times can be measured when nothing else runs. With `--away` the node is away during the scattered
 * writes and nothing of them is published, which would need the space of the file in local data, cache and node.
 */
import { appendFileSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { GIB, MIB } from '../src/base/index.js'
import { projectRoot } from '../test/support/sources.js'
import { machine, stamp } from './measure.js'
import { say, ScaleRun, text, type Figures } from './scale-run.js'

const SEED_BYTES = GIB
const { values } = parseArgs({
  options: {
    loads: { type: 'string', default: 'files,huge,scattered' },
    part: { type: 'string', default: '1' },
    rest: { type: 'string', default: '60' },
    keep: { type: 'string' },
    away: { type: 'boolean', default: false },
    record: { type: 'boolean', default: false },
  },
})
const part = Number(values.part)
const restSeconds = Number(values.rest)

/** Doubles the file by copying until it has the size, without a byte passing through the memory of this process. */
const GROW = `
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
size, wanted = os.fstat(fd).st_size, int(sys.argv[2])
while size < wanted:
    left = min(size, wanted - size)
    done = 0
    while done < left:
        done += os.copy_file_range(fd, fd, left - done, done, size + done)
    size += left
os.fsync(fd)
`

const LOADS: Readonly<Record<string, (run: ScaleRun) => Promise<Figures>>> = {
  async files(run) {
    const files = Math.floor(1_000_000 / part)
    const mountEmptySeconds = await run.mountAgain()
    const created = await run.client('create', files)
    const published = await run.publish()
    const rest = await run.rest(restSeconds)
    const mountSeconds = await run.mountAgain()
    const listed = await run.client('list', files)
    const walked = await run.client('walk')
    return {
      files,
      mountEmptySeconds,
      ...created,
      ...published,
      ...rest,
      mountSeconds,
      ...listed,
      ...walked,
      ...run.peak(),
    }
  },
  async huge(run) {
    const bytes = Math.floor(1024 / part) * GIB
    await run.client('seed', Math.min(SEED_BYTES, bytes))
    const growSeconds = await run.timed('python3', ['-c', GROW, join(run.drive.mountpoint, 'huge'), String(bytes)])
    const published = await run.publish()
    const rest = await run.rest(restSeconds)
    const mountSeconds = await run.mountAgain()
    const read = await run.client('read-ends', bytes)
    const removeSeconds = await run.timed('rm', [join(run.drive.mountpoint, 'huge')])
    const publishedEmpty = await run.publish()
    const after = await run.rest(restSeconds)
    return {
      gib: bytes / GIB,
      growSeconds,
      ...published,
      ...rest,
      mountSeconds,
      ...read,
      removeSeconds,
      publishRemovedSeconds: publishedEmpty['publishSeconds']!,
      idleAfterMib: after['idleMib']!,
      ...run.peak(),
    }
  },
  async scattered(run) {
    const bytes = Math.floor((20 * GIB) / part / MIB) * MIB
    if (values.away) await run.takeNodeAway()
    const written = await run.client('random-writes', bytes)
    const peakWriting = run.peak()['peakMib']!
    const published = values.away ? {} : await run.publish()
    const rest = await run.rest(restSeconds)
    return { gib: bytes / GIB, ...written, peakWriting, ...run.localSize(), ...published, ...rest, ...run.peak() }
  },
  async again(run) {
    const mountSeconds = await run.mountAgain()
    const listed = await run.client('list', Math.floor(1_000_000 / part))
    return { mountSeconds, ...listed, ...run.peak() }
  },
}

for (const name of values.loads.split(',')) await measure(name)

async function measure(name: string): Promise<void> {
  say(`${name}, 1/${part} of the full size`)
  const run = new ScaleRun(values.keep, name === 'again')
  try {
    await run.start()
    const figures = await LOADS[name]!(run)
    const row = `scale ${name}  ${stamp()}  ${machine()}  ${text(figures)}`
    say(row)
    if (values.record) appendFileSync(join(projectRoot, 'bench/history.txt'), `${row}\n`)
  } catch (error) {
    const kept = join(mkdtempSync(join(tmpdir(), 'dagdrive-scale-')), 'daemon.log')
    writeFileSync(kept, run.drive.log())
    say(`${name} failed, log in ${kept}: ${String(error)}`)
    process.exitCode = 1
  } finally {
    await run.stop()
  }
}
