/** The embedded store meets the contract of nodes, and has one user: its lock, and what the lock file says. */
import { spawn, execFileSync } from 'node:child_process'
import { mkdtemp, readFile, readlink, rm, writeFile, chown, mkdir, readdir, rename, symlink } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test from 'ava'
import { testWhere } from '../../../test/support/available.js'
import { CHILD, folder, openAt, use } from '../../../test/support/node/embedded-store.js'
import { rawBlocks } from '../../../test/suites/node-material.js'
import { nodeSuite } from '../../../test/suites/node.suite.js'
import { DriveError, silentLog, systemClock, systemRandom } from '../../base/index.js'
import { allocatePages } from '../../platform/index.js'
import { openNode } from '../index.js'

const open = async (address: (directory: string) => string) => {
  const directory = await mkdtemp(join(tmpdir(), 'dagdrive-node-'))
  const common = { dataDirectory: directory, clock: systemClock, log: silentLog, random: systemRandom, allocatePages }
  return {
    node: await openNode(address(directory), common),
    dispose: () => rm(directory, { recursive: true, force: true }),
  }
}

nodeSuite('embedded', () => open(() => 'embedded'))
nodeSuite('file', () => open((directory) => pathToFileURL(join(directory, 'a store %20 ü')).href))

test.serial('a store has one user at a time; a second user gets the process and host of the holder', async (t) => {
  const path = join(await folder(t), 'store')
  const opened = await Promise.allSettled(Array.from({ length: 6 }, () => openAt(path)))
  const nodes = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  t.is(nodes.length, 1)
  const error = await t.throwsAsync(openAt(path))
  t.true(error instanceof DriveError && error.code === 'LOCKED')
  t.true(error?.message.includes(String(process.pid)) && error.message.includes(hostname()), error?.message)
  await nodes[0]!.close()
  await nodes[0]!.close()
  await use(path, async (node) => t.deepEqual(await node.listPins(), []))
})

test.serial('S-040 the lock is the kernel\u2019s: no content of the lock file keeps anybody out', async (t) => {
  const path = join(await folder(t), 'store')
  await use(path, (node) => node.importBlocks(rawBlocks(1, 100, 1), { roots: [] }))
  const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
  const alive = { pid: process.ppid, host: hostname(), boot, pidNamespace: await readlink('/proc/self/ns/pid') }
  for (const text of ['', 'no JSON', JSON.stringify(alive), JSON.stringify({ ...alive, host: 'another-machine' })]) {
    await writeFile(join(path, 'lock'), text)
    await t.notThrowsAsync(use(path, async () => undefined))
  }
  t.pass()
})

test.serial('S-040 the content of the lock file is shown only when it is a process id and a host name', async (t) => {
  const path = join(await folder(t), 'store')
  await use(path, async () => {
    for (const text of [
      JSON.stringify({ pid: 7, host: '\u001b]0;owned\u0007' }),
      JSON.stringify({ pid: '\u001b[2J', host: 'here' }),
      '\u001b[31m'.repeat(1_000_000),
      '[]',
      'null',
    ]) {
      await writeFile(join(path, 'lock'), text)
      const error = await t.throwsAsync(openAt(path))
      t.true(error instanceof DriveError && error.code === 'LOCKED')
      t.regex(JSON.stringify([error?.message, (error as DriveError).about]), /^[\x20-\x7e]{1,400}$/)
      t.notRegex(JSON.stringify([error?.message, (error as DriveError).about]), /\\u001b/)
    }
  })
})

testWhere('root')('S-040 a store whose user was killed in a container is free', async (t) => {
  const path = join(await folder(t), 'store')
  const command = [
    '-c',
    'hostname elsewhere && exec "$@"',
    'sh',
    process.execPath,
    CHILD,
    pathToFileURL(path).href,
    '1',
  ]
  const child = spawn('unshare', ['--pid', '--uts', '--mount-proc', '--fork', '--kill-child', 'sh', ...command], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const gone = new Promise((resolve) => child.once('exit', resolve))
  await new Promise((resolve) => child.stdout.once('data', resolve))
  const error = await t.throwsAsync(openAt(path))
  t.true(error?.message.includes('elsewhere'), error?.message)
  child.kill('SIGKILL')
  await gone
  for (let tries = 0; tries < 100; tries++) {
    const opened = await openAt(path).catch(() => undefined) // the inner process ends shortly after the outer one
    if (opened === undefined) continue
    t.true((await opened.listPins()).length > 0)
    return opened.close()
  }
  t.fail('still locked')
})

test('S-094 a link in place of the folder of a store is refused, before and after its first use', async (t) => {
  const base = await folder(t)
  const store = join(base, 'store')
  const elsewhere = join(base, 'elsewhere')
  await mkdir(elsewhere)
  await symlink(elsewhere, store)
  await t.throwsAsync(openAt(store), { code: 'INVALID', message: /symbolic link/ })
  t.deepEqual(await readdir(elsewhere), [], 'nothing was created in its place')
  await rm(store)
  await use(store, (node) => node.importBlocks(rawBlocks(1, 100, 1), { roots: [] }))
  await rm(elsewhere, { recursive: true })
  await rename(store, elsewhere)
  await symlink(elsewhere, store)
  await t.throwsAsync(openAt(store), { code: 'INVALID', message: /symbolic link/ })
})

test('S-094 a pipe or a file in place of the folder of a store is refused', async (t) => {
  const base = await folder(t)
  const pipe = join(base, 'pipe')
  execFileSync('mkfifo', [pipe])
  await writeFile(join(base, 'file'), '')
  for (const name of ['pipe', 'file']) await t.throwsAsync(openAt(join(base, name)), { code: 'INVALID' }, name)
})

testWhere('root')(
  'S-094 a folder of another user is refused, because its files could be exchanged at any time',
  async (t) => {
    const store = join(await folder(t), 'store')
    await use(store, (node) => node.importBlocks(rawBlocks(1, 100, 1), { roots: [] }))
    await chown(store, 12_345, 12_345)
    await t.throwsAsync(openAt(store), { code: 'INVALID', message: /another user.*chown/ })
    await chown(store, 0, 0)
    await (await openAt(store)).close()
  },
)
