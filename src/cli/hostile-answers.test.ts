/**
 * Every command with hostile text in every field that others choose: the text is escaped on the terminal, and JSON
 * stays valid.
 */
import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { OPERATION_NAMES, serveControl, type ControlService, type NodeReport, type StatusReport } from '../api/index.js'
import { DriveError, silentLog } from '../base/index.js'

const CLI = fileURLToPath(new URL('./main.js', import.meta.url))
/**
 * Sets the title, clears the screen with a one-byte control, reverses the text direction, adds lines, and is not valid
 * UTF-16.
 */
const HOSTILE = 'owned\u001b]0;title\u0007\u009b2J\u202e\u2066\nforged line\r\u2028\u0085\u007f\ud800end'
const OBEYED = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u

const level = { files: 1, bytes: 1 }
const levels = { held: level, staged: level, stored: level, published: level, isPartial: true }
const node: NodeReport = {
  kind: 'kubo',
  where: HOSTILE,
  sameMachine: false,
  state: 'denied',
  version: HOSTILE,
  peerId: HOSTILE,
  knownForMs: 5000,
  lastError: HOSTILE,
  warnings: [HOSTILE],
}
const mount = { directory: HOSTILE, readOnly: false, allowOther: false, newerUnknown: HOSTILE }
const status: StatusReport = {
  state: 'open',
  daemon: { pid: 1, version: HOSTILE, uptimeMs: 1, residentBytes: 1 },
  levels,
  copies: [{ where: HOSTILE, sameMachine: false }],
  node,
  queue: { state: 'stopped', changed: 1, bytes: 1, nextTryMs: 1, lastError: HOSTILE },
  cache: { usedBytes: 1, evictableBytes: 1, limitBytes: 1 },
  mounts: [mount],
  publishedHeight: 1,
  publishedAtMs: 1,
  newer: { height: 2, deviceName: HOSTILE },
  warnings: [HOSTILE],
  lastError: HOSTILE,
}
const NOBODY = 999_999_999
const answers: ControlService = {
  status: async () => status,
  init: async () => ({ outcome: 'created', phrase: HOSTILE, node, publishedHeight: 0 }),
  unlock: async () => ({ state: 'open' }),
  mount: async () => mount,
  adoptFiles: async () => ({
    moved: 1,
    renamed: [{ from: HOSTILE, to: HOSTILE }],
    moreRenamed: 1,
    left: 1,
    problem: HOSTILE,
  }),
  unmount: async (_given, { progress }) => {
    progress({ phase: 'waiting', doneBytes: 1, totalBytes: 2, remainingMs: 3, lastError: HOSTILE })
    const stopped = { code: 'DIVERGED', message: HOSTILE, about: { where: HOSTILE } } as const
    return { unmounted: [HOSTILE], staged: level, stopped, endingPid: undefined }
  },
  waitUnmounted: async () => ({}),
  sync: async () => ({ publishedHeight: 1, levels }),
  keyShow: async () => ({ phrase: HOSTILE }),
  keyVerify: async () => ({ matches: false }),
  nodeSet: async () => node,
  nodeKeyVerify: async () => ({ matches: false }),
  nodeForget: async () => ({ removed: true, freedBytes: 1, left: 1, where: HOSTILE }),
  nodeTest: async () => node,
  async fsck(_given, { progress }) {
    const found = {
      where: 'here',
      kind: 'damaged',
      what: 'block',
      fileId: undefined,
      blocks: 2,
      outcome: 'lost',
    } as const
    progress({ finding: { ...found, path: HOSTILE, cid: undefined } })
    progress({ finding: { ...found, path: undefined, cid: HOSTILE } })
    return { checkedHere: 1, checkedNode: 1, open: 0, healed: 0, lost: 2 }
  },
  stop: async () => ({ staged: level, endingPid: NOBODY }),
}
const failure = (): Promise<never> =>
  Promise.reject(
    new DriveError('BUSY', `Programs still use it: ${HOSTILE}.`, { about: { where: HOSTILE, heard: HOSTILE } }),
  )
const failing = {
  ...(Object.fromEntries(OPERATION_NAMES.map((name) => [name, failure])) as unknown as ControlService),
  status: answers.status,
}

/** A home with a hostile name, where the daemon is this process. */
async function home(t: ExecutionContext, service: ControlService, hasDrive = true): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'dagdrive-hostile-'))
  const path = join(folder, 'owned\u001b[31m\n\u202e')
  await mkdir(path, { mode: 0o700 })
  if (hasDrive) await writeFile(join(path, 'drive.key'), 'x', { mode: 0o600 })
  const server = await serveControl({ path: join(path, 'control.sock'), service, log: silentLog })
  t.teardown(async () => {
    await server.close(100)
    await rm(folder, { recursive: true })
  })
  return path
}

interface Said {
  readonly stdout: string
  readonly stderr: string
}

function say(path: string, args: readonly string[]): Promise<Said> {
  return new Promise((resolve) => {
    const options = { env: { ...process.env, DAGDRIVE_HOME: path }, cwd: '/', timeout: 60_000 }
    execFile(process.execPath, [CLI, ...args], options, (_error, stdout, stderr) => resolve({ stdout, stderr }))
  })
}

function check(t: ExecutionContext, what: string, { stdout, stderr }: Said): void {
  const text = stdout + stderr
  t.false(OBEYED.test(text.replaceAll('\n', '')), `${what}: ${JSON.stringify(text)}`)
  t.false(/^forged/mu.test(text), `${what} has a line that others wrote: ${JSON.stringify(text)}`)
  if (!what.includes('--json')) return
  for (const line of text.split('\n').filter((one) => one.startsWith('{'))) {
    t.notThrows(() => JSON.parse(line) as unknown, what)
    t.false(/\\u(?:d[89ab]..)(?!\\ud[c-f])/iu.test(line), `${what}: half a surrogate pair`)
  }
}

const COMMANDS: readonly (readonly string[])[] = [
  ['status'],
  ['queue'],
  ['mount', '/tmp/\u001b[31mowned'],
  ['up', '/tmp/\u001b[31mowned', '--node', 'embedded'],
  ['unmount'],
  ['sync'],
  ['key', 'show'],
  ['key', 'show', '--phrase-out', '/nonexistent/\u001b[31m/owned'],
  ['key', 'verify', '--phrase-file', '/nonexistent/\u001b[31m/owned'],
  ['node', 'set', 'http://\u001b[31mowned'],
  ['node', 'test'],
  ['fsck'],
  ['doctor'],
  ['daemon', 'stop'],
  ['owned\u001b[31m'],
  ['status', '--owned\u001b[31m'],
]

for (const [what, service] of Object.entries({ answers, failures: failing })) {
  test(`S-081 no command prints text that others chose without escaping it (${what})`, async (t) => {
    t.timeout(10 * 60_000)
    const path = await home(t, service)
    let seen = 0
    for (const args of COMMANDS) {
      for (const json of [[], ['--json']]) {
        const line = [...args, ...json]
        const said = await say(path, line)
        check(t, line.join(' '), said)
        if ((said.stdout + said.stderr).includes('owned')) seen++
      }
    }
    t.true(seen > COMMANDS.length, `${seen} outputs had hostile text in them`)
  })
}

test('S-081 init prints no hostile text either', async (t) => {
  const path = await home(t, answers, false)
  for (const json of [[], ['--json']]) check(t, ['init', ...json].join(' '), await say(path, ['init', ...json]))
  await chmod(path, 0o700)
})
