import test, { type ExecutionContext } from 'ava'
import { testWhere } from '../../test/support/available.js'
import { spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { chmod, chown, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DRIVE_ERRORS, jsonLine } from '../base/index.js'
import { drivePaths } from '../platform/index.js'
import { findDaemon } from './daemon-process.js'
import { EXIT_STATUS, OTHER_STATUS } from './exit-status.js'
import { runCommandLine } from './program.js'
import { failureText, nodeLine } from './report.js'
import { phraseLines } from './commands/init.js'
import { claimSecretOutput, readPhraseFile, readSecretFile } from './secret-file.js'
import type { Session } from './session.js'

async function fresh(t: ExecutionContext): Promise<{ session: Session; home: string; out: string[]; notes: string[] }> {
  const home = await mkdtemp(join(tmpdir(), 'dagdrive-cli-'))
  t.teardown(() => rm(home, { recursive: true }))
  const out: string[] = []
  const notes: string[] = []
  const session: Session = {
    paths: drivePaths({ DAGDRIVE_HOME: home }),
    terminal: {
      print: (text) => void out.push(text),
      note: (text) => void notes.push(text),
      printJson: (value) => void out.push(jsonLine(value)),
      noteJson: (value) => void notes.push(jsonLine(value)),
      progress: () => undefined,
      status: () => undefined,
      endProgress: () => undefined,
      askSecret: () => Promise.reject(new Error('nobody is here')),
    },
    status: 0,
  }
  return { session, home, out, notes }
}

test('every failure has its own exit status', (t) => {
  const statuses = [...Object.values(EXIT_STATUS), ...Object.values(OTHER_STATUS)]
  t.is(new Set(statuses).size, statuses.length)
  t.is(Object.keys(EXIT_STATUS).length, Object.keys(DRIVE_ERRORS).length)
  for (const status of statuses) t.true(status >= 0 && status <= 130)
})

test('commands that need a drive say so on a fresh home, and start no daemon', async (t) => {
  const commands = [
    ['status'],
    ['queue'],
    ['mount', '/tmp/x'],
    ['unmount'],
    ['sync'],
    ['key', 'show'],
    ['key', 'verify'],
  ]
  for (const args of [...commands, ['node', 'set', 'embedded']]) {
    const { session, home } = await fresh(t)
    t.is(await runCommandLine(args, session), EXIT_STATUS.NO_DRIVE, args.join(' '))
    await t.throwsAsync(stat(join(home, 'daemon.lock')), { code: 'ENOENT' })
  }
})

test('a failure with --json is one line of JSON', async (t) => {
  const { session, notes } = await fresh(t)
  t.is(await runCommandLine(['sync', '--json'], session), EXIT_STATUS.NO_DRIVE)
  t.is((JSON.parse(notes.join('')) as { error: { code: string } }).error.code, 'NO_DRIVE')
})

test('stopping without a running daemon is not a failure', async (t) => {
  const { session, out } = await fresh(t)
  t.is(await runCommandLine(['daemon', 'stop', '--json'], session), 0)
  t.deepEqual(JSON.parse(out.join('')), { running: false })
})

test('--phrase-file and --phrase-out exclude each other', async (t) => {
  const { session } = await fresh(t)
  t.is(await runCommandLine(['init', '--phrase-file', '/a', '--phrase-out', '/b'], session), EXIT_STATUS.USAGE)
})

test('a secret is the first line of its file; a file that others can read causes a warning', async (t) => {
  const { session, home, notes } = await fresh(t)
  const path = join(home, 'secret')
  await writeFile(path, 'word word\nmore\n', { mode: 0o644 })
  t.is(await readSecretFile(path, 'passphrase', session.terminal), 'word word')
  t.is(notes.length, 1)
  await writeFile(path, '\n')
  await t.throwsAsync(readSecretFile(path, 'passphrase', session.terminal))
  await t.throwsAsync(readSecretFile(join(home, 'absent'), 'passphrase', session.terminal))
  for (const endless of ['/dev/zero', '/dev/urandom'])
    await t.throwsAsync(readSecretFile(endless, 'passphrase', session.terminal), { message: /could not be read/ })
})

test('a phrase is read as it is shown: numbered, on several lines', async (t) => {
  const { session, home } = await fresh(t)
  const path = join(home, 'phrase')
  const words = Array.from({ length: 24 }, (_, index) => `word${'abcdefghijklmnopqrstuvwx'[index]}`)
  const shown = phraseLines(words.join(' '))
  t.is(shown.length, 6)
  t.regex(shown[0]!, /^ +1 worda +2 wordb /)
  await writeFile(path, `${shown.join('\n')}\n`, { mode: 0o600 })
  t.is(await readPhraseFile(path, session.terminal), words.join(' '))
  await writeFile(path, '1. 2. 3.\n')
  await t.throwsAsync(readPhraseFile(path, session.terminal), { message: /holds no recovery phrase/ })
})

test('R-60 the credential of a node is given with either name of its option; help shows one', async (t) => {
  for (const command of [['init'], ['up', '/tmp/x'], ['node', 'test', 'embedded']]) {
    for (const name of ['--key-file', '--node-key-file']) {
      const { session, notes } = await fresh(t)
      t.is(await runCommandLine([...command, name, '/absent'], session), EXIT_STATUS.USAGE)
      t.regex(notes.join(), /node key could not be read from \/absent/)
    }
  }
  for (const [command, shown, hidden] of [
    [['init'], '--node-key-file', ' --key-file'],
    [['up'], '--node-key-file', ' --key-file'],
    [['node', 'set'], ' --key-file', '--node-key-file'],
    [['node', 'test'], ' --key-file', '--node-key-file'],
  ] as const) {
    const { session, out, notes } = await fresh(t)
    t.is(await runCommandLine([...command, '--help'], session), 0)
    t.true(out.join().includes(shown) && !out.join().includes(hidden), out.join())
    t.is(await runCommandLine([...command, '/x', '--key-file', '/a', '--node-key-file', '/b'], session), 2)
    t.regex(notes.join(), command[0] === 'init' ? /too many|cannot be used with/ : /cannot be used with/)
  }
})

test('a directory given as a secret file is refused, and no advice changes its mode', async (t) => {
  const { session, home, notes } = await fresh(t)
  await chmod(home, 0o755)
  await t.throwsAsync(readPhraseFile(home, session.terminal), { message: /it is a directory/ })
  t.deepEqual(notes, [])
})

test('an empty directory argument is refused before anything is made', async (t) => {
  for (const command of ['up', 'mount', 'unmount']) {
    const { session, home } = await fresh(t)
    t.is(await runCommandLine([command, ''], session), EXIT_STATUS.USAGE)
    await t.throwsAsync(stat(join(home, 'daemon.lock')), { code: 'ENOENT' })
  }
})

test('a secret file is private, never overwrites a file, and is removed if no secret was made', async (t) => {
  const { home } = await fresh(t)
  const path = join(home, 'phrase')
  const first = await claimSecretOutput(path)
  await first.discard()
  const second = await claimSecretOutput(path)
  await second.write('one two')
  t.is(await readFile(path, 'utf8'), 'one two\n')
  t.is((await stat(path)).mode & 0o777, 0o600)
  await t.throwsAsync(claimSecretOutput(path))
})

const asRoot = testWhere('root')

asRoot('a socket that another user made in place of the daemon socket is never used', async (t) => {
  const { session, home } = await fresh(t)
  const heard: string[] = []
  const path = join(home, 'control.sock')
  const impostor = createServer((socket) => socket.on('data', (data) => heard.push(String(data))))
  await new Promise<void>((resolve) => impostor.listen(path, resolve))
  t.teardown(() => impostor.close())
  t.is(await findDaemon(session.paths), path, 'our own is found')
  await chown(path, 65_534, 65_534)
  t.is(await findDaemon(session.paths), undefined, "another user's socket")
  await chown(path, 0, 0)
  await chmod(home, 0o777)
  t.is(await findDaemon(session.paths), undefined, 'a folder anyone may write to')
  await chmod(home, 0o755)
  await chown(home, 65_534, 65_534)
  t.is(await findDaemon(session.paths), undefined, "another user's folder")
  await writeFile(join(home, 'phrase'), 'abandon '.repeat(24))
  t.is(await runCommandLine(['init', '--phrase-file', join(home, 'phrase')], session), EXIT_STATUS.NOT_PERMITTED)
  t.deepEqual(heard, [], 'no secret left this process')
})

asRoot('a user without a home directory is told what to set, and gets help without one', (t) => {
  const main = fileURLToPath(new URL('./main.js', import.meta.url))
  const asNobodyKnown = (args: string[], env = {}): SpawnSyncReturns<string> =>
    spawnSync(process.execPath, [main, ...args], { uid: 54_321, gid: 54_321, env, encoding: 'utf8', timeout: 20_000 })
  const refused = asNobodyKnown(['status'])
  t.is(refused.status, EXIT_STATUS.USAGE)
  t.regex(refused.stderr, /^dagdrive: This user has no home directory: set DAGDRIVE_HOME [^\n]+\n$/)
  t.is(asNobodyKnown(['help']).status, 0)
  const set = asNobodyKnown(['status'], { DAGDRIVE_HOME: '/nowhere/at all' })
  t.is(set.status, EXIT_STATUS.NO_DRIVE, set.stderr)
})

test('the name of a node shows where its blocks are', (t) => {
  const rest = {
    sameMachine: true,
    state: 'reachable',
    version: '1',
    peerId: undefined,
    lastError: undefined,
    knownForMs: undefined,
  } as const
  t.is(nodeLine({ ...rest, kind: 'embedded', where: '/a/node' }), 'Node: the embedded node at /a/node, reachable')
  t.is(nodeLine({ ...rest, kind: 'folder', where: '/media/x' }), 'Node: a block store at /media/x, reachable')
  t.is(nodeLine({ ...rest, kind: 'kubo', where: 'http://h:5001' }), 'Node: Kubo 1 at http://h:5001, reachable')
})

test('a wrong command line with --json is one line of JSON', async (t) => {
  for (const args of [['statsu', '--json'], ['mount', '--json'], ['status', '--jsonn', '--json'], ['--json']]) {
    const { session, notes } = await fresh(t)
    t.is(await runCommandLine(args, session), EXIT_STATUS.USAGE, args.join(' '))
    const { error } = JSON.parse(notes.join('')) as { error: { code: string; message: string } }
    t.is(error.code, 'USAGE')
    t.regex(error.message, /^[^\n]+$/)
  }
})

test('a failure names the node and the reason, once', (t) => {
  const message = 'The node cannot be reached.'
  const about = { where: 'http://127.0.0.1:1', errno: 'ECONNREFUSED', waitedMs: 3 }
  t.is(
    failureText({ code: 'OFFLINE', message, about }),
    'The node cannot be reached: http://127.0.0.1:1, ECONNREFUSED.',
  )
  t.is(failureText({ code: 'OFFLINE', message, about: {} }), message)
  t.is(failureText({ code: 'OFFLINE', message: 'A. Is B?', about: { where: 'c' } }), 'A. Is B? (c)')
  t.is(failureText({ code: 'NODE_ERROR', message: 'A said: "b".', about: { where: 'c' } }), 'A said: "b". (c)')
  t.is(failureText({ code: 'OFFLINE', message: 'No answer at a.', about: { where: 'a' } }), 'No answer at a.')
})
