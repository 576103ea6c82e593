import test from 'ava'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { busyMessage, usersOf } from './users-of.js'

test('a program in a directory is named while it runs', async (t) => {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'dagdrive-users-')))
  t.teardown(() => rm(directory, { recursive: true }))
  t.deepEqual(await usersOf(directory), [])
  const child = spawn('sleep', ['60'], { cwd: directory, stdio: 'ignore' })
  await once(child, 'spawn')
  try {
    t.deepEqual(await usersOf(directory), [`sleep (${child.pid})`])
    t.deepEqual(await usersOf(directory.slice(0, -1)), [], 'a name with the same prefix')
  } finally {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  t.deepEqual(await usersOf(directory), [])
})

test('S-081 control characters in the name of a program do not reach the terminal', async (t) => {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'dagdrive-users-')))
  t.teardown(() => rm(directory, { recursive: true }))
  const hostile = join(directory, '\u001b]0;x\u0007\n\u001b[2J')
  await copyFile('/bin/sleep', hostile)
  const child = spawn(hostile, ['60'], { cwd: directory, stdio: 'ignore' })
  await once(child, 'spawn')
  try {
    const users = await usersOf(directory)
    t.deepEqual(users, [`\\u{1b}]0;x\\u{7}\\u{a}\\u{1b}[2J (${child.pid})`])
  } finally {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
})

test('a BUSY message names the programs and the remedy', (t) => {
  t.is(
    busyMessage('/m', []),
    'Programs still use /m. Close their files and leave the directory, or use --force to abort them.',
  )
  t.is(
    busyMessage('/m', ['vim (1)']),
    'Programs still use /m: vim (1). Close their files and leave the directory, or use --force to abort them.',
  )
  t.regex(busyMessage('/m', ['a', 'b', 'c', 'd', 'e', 'f', 'g']), /: a, b, c, d, e, 2 more\. /)
})
