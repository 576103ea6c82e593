/** The first hour of a new user: the lines of the README and the lines that messages offer, typed as they are. */
import { accessSync, chmodSync, constants, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ava, { type ExecutionContext } from 'ava'
import { startKubo } from '../kubo/daemon.js'
import { testWhere } from '../support/available.js'
import { checkOut, typed } from '../support/checkout.js'
import { testDrive } from '../support/drive.js'
import { runLiving } from '../support/living.js'
import { ordinaryUser } from '../support/ordinary-user.js'
import { offered, personAt, type Person } from '../support/person.js'
import { until } from '../support/until.js'

const FIFTEEN_MINUTES_MS = 900_000
/** Short: what is shown is the command. */
const TRIVIAL = 'src/base/errors.test.ts'
const PASSED = /^1 passed, 0 failed, 0 skipped$/m
const TROUBLE = /npm error|could not be built|left .* behind|ERR_MODULE_NOT_FOUND|EIO/

let checkout: Promise<string> | undefined
const folder = mkdtempSync(join(tmpdir(), 'dagdrive-first-hour-'))
chmodSync(folder, 0o755)
ava.after.always(() => rmSync(folder, { recursive: true, force: true }))

/** A fresh clone, built by the first command of the README. */
function fresh(): Promise<string> {
  const clone = join(folder, 'clone')
  checkout ??= checkOut(clone)
    .then(() => typed('npm ci', clone))
    .then((said) => {
      if (TROUBLE.test(said)) throw new Error(said)
      return clone
    })
  return checkout
}

testWhere('fuse')(
  'S-188 S-163 both commands of the README run in any order and twice under a mounted drive, while programs write to it',
  async (t: ExecutionContext) => {
    t.timeout(FIFTEEN_MINUTES_MS)
    const clone = await fresh()
    const environment = { DAGDRIVE_PROGRAMS: join(folder, 'programs') }
    const drive = testDrive(t, { environment })
    drive.installation = clone
    const type = async (line: string): Promise<string> => {
      // What npx keeps for each folder in the cache of npm goes with the test.
      const cache = line.startsWith('npx') ? { npm_config_cache: join(folder, 'npx') } : {}
      const said = await typed(line, clone, { DAGDRIVE_HOME: drive.home, ...environment, ...cache })
      t.notRegex(said, TROUBLE, line)
      accessSync(join(clone, 'dist/src/cli/main.js'), constants.X_OK)
      return said
    }
    const up = `npx dagdrive up ${drive.mountpoint}`
    const test = `npm test -- ${TRIVIAL}`
    t.regex(await type(up), /Your recovery phrase[^]*npx dagdrive sync/)
    const daemon = drive.daemonPid()!

    const [stop, directory] = [join(folder, 'stop'), drive.mountpoint]
    const stopWriting = (): void => writeFileSync(stop, '')
    t.teardown(stopWriting)
    const writing = (['append', 'sqlite'] as const).map((kind) => runLiving({ kind, directory, stop }))
    t.regex(await type(`npm ci && ${test}`), PASSED)
    t.regex(await type(up), /^Mounted at/m)
    t.is(drive.daemonPid(), daemon, 'neither command disturbed it')
    // Killed while the packages of its folder are replaced.
    let isOver = false
    const again = type('npm ci').finally(() => (isOver = true))
    await until(() => isOver || !existsSync(join(clone, 'node_modules/lmdb/package.json')), 1)
    drive.killDaemon()
    await again
    t.regex(await type(up), /^Mounted at/m)
    t.regex(await type(test), PASSED)
    t.regex(await type('npx dagdrive status'), /^Drive: open$/m)
    stopWriting()
    for (const { kind, operations, errors } of await Promise.all(writing)) {
      t.deepEqual(errors, [], kind)
      t.true(operations > 0)
    }
    await drive.unmount([], FIFTEEN_MINUTES_MS)
  },
)

testWhere(
  'fuse',
  'root',
  'go',
)(
  'S-189 an ordinary user with the installed command: the node stops and starts, a file is saved beneath, a flag is forgotten; the lines that are printed help',
  async (t: ExecutionContext) => {
    t.timeout(FIFTEEN_MINUTES_MS)
    const [clone, prefix] = [await fresh(), join(folder, 'prefix')]
    await typed(`npm pack && npm install -g --prefix ${prefix} ./dagdrive-0.1.0.tgz`, clone)
    const programs = join(prefix, 'bin')
    const kubo = await startKubo({ version: '0.43' })
    t.teardown(() => kubo.stop())
    const first = await personAt(t, { programs, user: await ordinaryUser(t) })
    const mountpoint = join(first.home, 'DagDrive')

    const made = await first.must(`dagdrive up ~/DagDrive --node ${kubo.url} --phrase-out phrase.txt`)
    t.regex(made, /^ +dagdrive sync /m, 'the hints name the command as it was typed')
    await first.must('echo letter > DagDrive/letter')
    t.regex(await first.must('dagdrive sync'), /Published version \d+: 1 file/)
    t.regex(await first.must('dagdrive status'), /published  1 file,[^]*No copy is on another machine[^]*idle/)

    await kubo.kill()
    await first.must('echo note > DagDrive/note')
    const offline = await first.types('dagdrive sync')
    t.is(offline.code, 20, offline.text)
    t.regex(offline.text, /Is the Kubo daemon running there\?/)
    const status = await first.must('dagdrive status')
    t.regex(status, /published  1 file,[^]*No copy is on another machine[^]*not reachable \(The node/)
    t.notRegex(status, /idle/)
    t.is(await first.must('cat DagDrive/letter DagDrive/note'), 'letter\nnote\n')
    await kubo.restart()
    await first.must('dagdrive sync')
    t.regex(await first.must('dagdrive status'), /published  2 files,[^]*reachable[^]*idle/)

    t.regex(await first.must('dagdrive unmount'), /Everything is published/)
    t.is(statSync(mountpoint).mode & 0o777, 0o500)
    t.regex((await first.types('echo mine > DagDrive/mine')).text, /denied/)
    writeFileSync(join(mountpoint, 'beneath'), 'saved by root, whom modes do not stop\n')
    const refused = await first.types('dagdrive up ~/DagDrive')
    t.is(refused.code, 44, refused.text)
    t.regex(await first.must(offered(refused.text, '--adopt')), /Moved 1 file/)
    await first.must('grep root DagDrive/beneath && dagdrive unmount')

    await secondDevice(t, await personAt(t, { programs }), first, kubo.url)
  },
)

/** First both flags are forgotten, then one. The folder is two words for a shell. */
async function secondDevice(t: ExecutionContext, second: Person, first: Person, node: string): Promise<void> {
  await second.must(`cp ${join(first.home, 'phrase.txt')} . && dagdrive up ~/'My Drive'`)
  const other = await second.types(`dagdrive up ~/'My Drive' --phrase-file phrase.txt`)
  t.is(other.code, 11, other.text)
  await second.must('dagdrive unmount')
  const line = offered(other.text, '--replace-empty').replace('URL', node)
  t.regex(await second.must(line), /Opened the published drive[^]*Mounted at/)
  t.is(await second.must(`cd 'My Drive' && cat letter note`), 'letter\nnote\n')
  await second.must('dagdrive unmount')
}
