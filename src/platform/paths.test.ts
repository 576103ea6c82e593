import test from 'ava'
import { chmod, mkdtemp, rm, stat, readdir, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isNodeUrl } from './config.js'
import { DEFAULT_CONFIG, drivePaths, preparePaths, readConfig, writeConfig } from './index.js'
import { DriveError } from '../base/index.js'

async function temporary(t: { teardown(action: () => Promise<void>): void }): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'dagdrive-paths-'))
  t.teardown(() => rm(directory, { recursive: true }))
  return directory
}

test('DAGDRIVE_HOME selects one directory for data, config and sockets', (t) => {
  const paths = drivePaths({ DAGDRIVE_HOME: '/somewhere/else', XDG_CONFIG_HOME: '/config' }, '/home/user')
  t.deepEqual(paths.directories, ['/somewhere/else'])
  for (const [name, path] of Object.entries(paths)) {
    if (typeof path === 'string') t.true(path.startsWith('/somewhere/else/'), name)
  }
})

test('without DAGDRIVE_HOME the XDG folders are used, and relative ones are ignored', (t) => {
  const paths = drivePaths(
    { XDG_CONFIG_HOME: '/config', XDG_DATA_HOME: 'not/absolute', XDG_RUNTIME_DIR: '/run/user/1' },
    '/home/user',
  )
  t.is(paths.configFile, '/config/dagdrive/config.json')
  t.is(paths.dataDirectory, '/home/user/.local/share/dagdrive/data')
  t.is(paths.logFile, '/home/user/.local/state/dagdrive/daemon.log')
  t.is(paths.socket, '/run/user/1/dagdrive/control.sock')
})

test('the directories are made with mode 0700, and existing ones are restricted to it', async (t) => {
  const directory = await temporary(t)
  await chmod(directory, 0o755)
  const paths = drivePaths({ DAGDRIVE_HOME: join(directory, 'deep', 'home') })
  await preparePaths(paths)
  await preparePaths(drivePaths({ DAGDRIVE_HOME: directory }))
  t.is((await stat(join(directory, 'deep', 'home'))).mode & 0o777, 0o700)
  t.is((await stat(directory)).mode & 0o777, 0o700)
})

test('a configuration survives writing and reading, is private, and leaves no temporary file', async (t) => {
  const directory = await temporary(t)
  const path = join(directory, 'config.json')
  const config = { ...DEFAULT_CONFIG, nodeUrl: 'http://127.0.0.1:5001', debounceMs: 250 }
  await writeConfig(path, config)
  t.deepEqual(await readConfig({ configFile: path, keyFile: join(directory, 'drive.key') }), config)
  t.is((await stat(path)).mode & 0o777, 0o600)
  t.deepEqual(await readdir(directory), ['config.json'])
})

test('an unknown setting, a wrong value and broken JSON are refused by name', async (t) => {
  const directory = await temporary(t)
  const path = join(directory, 'config.json')
  for (const [text, word] of [
    ['{"nodeUrI":"embedded"}', 'nodeUrI'],
    ['{"debounceMs":-1}', 'debounceMs'],
    ['{"nodeUrl":"http://user:secret@host"}', 'nodeUrl'],
    ['{"__proto__":{"nodeUrl":"http://elsewhere"}}', '__proto__'],
    ['{"constructor":1}', 'constructor'],
    [JSON.stringify({ deviceName: 'é'.repeat(128) }), 'deviceName'],
    [JSON.stringify({ deviceName: '\u001b[2J' }), 'deviceName'],
    ['{', 'JSON'],
    ['7', 'JSON'],
  ] as const) {
    await writeFile(path, text)
    const error = await t.throwsAsync(readConfig({ configFile: path, keyFile: join(directory, 'drive.key') }), {
      instanceOf: DriveError,
    })
    t.true(error.message.includes(word), error.message)
  }
  await unlink(path)
  t.deepEqual(await readConfig({ configFile: path, keyFile: join(directory, 'drive.key') }), DEFAULT_CONFIG)
})

test('S-145 in a home with a key, no node and no slot is assumed, and the error tells what to do', async (t) => {
  const directory = await temporary(t)
  const files = { configFile: join(directory, 'config.json'), keyFile: join(directory, 'drive.key') }
  await writeFile(files.keyFile, 'key')
  const refused = async (code: 'CORRUPT' | 'INVALID', word: string): Promise<void> => {
    const error = await t.throwsAsync<DriveError>(readConfig(files), { instanceOf: DriveError })
    t.is(error.code, code)
    t.true(error.message.includes(word), error.message)
    t.regex(error.message, /Restore it from a backup, or .*DAGDRIVE_HOME/)
  }
  await refused('CORRUPT', 'missing')
  for (const [text, word] of [
    ['', 'JSON'],
    ['[', 'JSON'],
    ['7', 'JSON'],
    ['{}', 'nodeUrl'],
    ['{"nodeUrl":"file:///store"}', 'deviceSlot'],
    ['{"deviceSlot":1}', 'nodeUrl'],
  ] as const) {
    await writeFile(files.configFile, text)
    await refused('INVALID', word)
  }
  await writeFile(files.configFile, '{"nodeUrl":"file:///store","deviceSlot":1}')
  t.deepEqual(await readConfig(files), { ...DEFAULT_CONFIG, nodeUrl: 'file:///store', deviceSlot: 1 })
})

test('node addresses: the four kinds, never with credentials in them', (t) => {
  for (const url of [
    'embedded',
    'file:///mnt/disk/node',
    'http://127.0.0.1:5001',
    'https://host/',
    'unix:///run/api.sock',
  ]) {
    t.true(isNodeUrl(url), url)
  }
  const others = [
    '',
    'ftp://host',
    '127.0.0.1:5001',
    'https://user@host',
    '/path',
    'file:folder',
    'file://host/a',
    'unix:a',
  ]
  for (const url of others) t.false(isNodeUrl(url), url)
})
