/** What `npm test` does about a test file that hangs or leaves something behind: the parts of test/run. */
import { spawn, type ChildProcess } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { temporaryFolder } from '../support/drive.js'
import { projectRoot } from '../support/sources.js'
import { until } from '../support/until.js'

interface Followed {
  readonly directory: string
  follow(longestMs: number): void
  unfollow(): Promise<void>
  describeRunning(): string[]
  slowest(count: number): string[]
  remove(): void
}

type TestFilesType = new (report: (line: string) => void, graceMs?: number) => Followed

async function followed(t: ExecutionContext): Promise<{ files: Followed; reports: string[] }> {
  const path = pathToFileURL(join(projectRoot, 'test/run/test-files.mjs')).href
  const { TestFiles } = (await import(path)) as { TestFiles: TestFilesType }
  const reports: string[] = []
  const files = new TestFiles((line) => reports.push(line), 0)
  t.teardown(() => files.remove())
  return { files, reports }
}

/** A process that stands for a test file, or for one that a test file started: it names a folder and does nothing. */
function idle(t: ExecutionContext, folder = ''): ChildProcess {
  const child = spawn('sleep', ['600'], { env: { ...process.env, TMPDIR: folder }, stdio: 'ignore' })
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

const ended = (child: ChildProcess): Promise<void> => new Promise((resolve) => child.once('exit', () => resolve()))

function begin({ directory }: Followed, pid: number, file: string): string {
  const folder = join(directory, String(pid))
  mkdirSync(folder)
  appendFileSync(join(directory, 'marks'), `begin ${pid} ${file} ${folder}\n`)
  return folder
}

test('a process that a test file leaves behind is reported with the file, and ended', async (t) => {
  const { files, reports } = await followed(t)
  const file = idle(t)
  const folder = begin(files, file.pid!, 'test/one.test.ts')
  const left = idle(t, folder)
  const other = idle(t, `${folder}0`)
  t.deepEqual(
    files.describeRunning().map((line) => line.replace(/\d+ s/, 'N s')),
    ['test/one.test.ts (for N s)'],
  )
  const ends = Promise.all([ended(file), ended(left)])
  file.kill('SIGKILL')
  appendFileSync(join(files.directory, 'marks'), `end ${file.pid} 1500 1200\n`)
  await files.unfollow()
  await ends
  t.deepEqual(reports, [`test/one.test.ts left process ${left.pid} behind: sleep 600`])
  t.false(existsSync(folder))
  t.deepEqual(files.slowest(10), ['    1.5 s,     1.2 s of CPU  test/one.test.ts'])
  t.deepEqual(files.describeRunning(), [])
  t.is(other.signalCode, null)
})

test('a test file that does not end is reported and killed', async (t) => {
  const { files, reports } = await followed(t)
  const file = idle(t)
  begin(files, file.pid!, 'test/endless.test.ts')
  files.follow(1)
  await ended(file)
  await files.unfollow()
  t.regex(reports.join(), /^test\/endless\.test\.ts did not end within \d+ s, and is killed$/)
})

test('when the run ends, no process and no folder of it is left', async (t) => {
  const { files } = await followed(t)
  const file = idle(t)
  const left = idle(t, begin(files, file.pid!, 'test/one.test.ts'))
  const ends = ended(left)
  files.remove()
  await ends
  t.false(existsSync(files.directory))
})

interface Steps {
  readonly step: (name: string, args: readonly string[], timeoutMs: number) => Promise<boolean>
  readonly endSteps: () => void
}

const STEP = `
  const { spawn } = require('node:child_process')
  const { pid } = spawn('sleep', ['600'], { stdio: 'ignore' })
  require('node:fs').writeFileSync(process.argv[1], pid + ' ')
  setInterval(() => undefined, 1000)`

test('Ctrl-C ends a step of the build with everything that it started', async (t) => {
  const path = pathToFileURL(join(projectRoot, 'test/run/steps.mjs')).href
  const { step, endSteps } = (await import(path)) as Steps
  const note = join(temporaryFolder(t), 'pid')
  const done = step('a step', ['-e', STEP, note], 600_000)
  const started = (): string => (existsSync(note) ? readFileSync(note, 'utf8') : '')
  t.true(await until(() => started().endsWith(' ')))
  endSteps()
  t.false(await done)
  const state = `/proc/${started().trim()}/stat`
  t.true(await until(() => !existsSync(state) || / [ZX] /.test(readFileSync(state, 'utf8'))))
})
