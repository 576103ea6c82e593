import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { constants } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { openHomeFile, readHomeFile } from './home-file.js'
import { readPrivateText } from './read-private.js'

function folderOf(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'dagdrive-home-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

test('S-093 a link, pipe, socket, device or folder in place of a file of the home is refused, and no call waits for it', async (t) => {
  const folder = folderOf(t)
  const at = (name: string): string => join(folder, name)
  writeFileSync(at('other'), 'kept', { mode: 0o600 })
  symlinkSync(at('other'), at('link'))
  symlinkSync(at('nothing'), at('dangling'))
  execFileSync('mkfifo', ['-m', '600', at('pipe')])
  mkdirSync(at('folder'))
  const server = createServer().listen(at('socket'))
  t.teardown(() => server.close())
  for (const path of [...['link', 'dangling', 'pipe', 'folder', 'socket'].map(at), '/dev/zero']) {
    const refused = { code: 'ACCESS_DENIED' }
    await t.throwsAsync(readHomeFile(path), refused, path)
    await t.throwsAsync(readPrivateText(path, 'The key file', 100), refused, path)
    const { O_RDWR, O_WRONLY, O_APPEND, O_CREAT } = constants
    for (const flags of [O_RDWR | O_CREAT, O_WRONLY | O_APPEND | O_CREAT])
      await t.throwsAsync(openHomeFile(path, flags), refused, path)
  }
  t.is(readFileSync(at('other'), 'utf8'), 'kept')
  t.throws(() => readFileSync(at('nothing')), { code: 'ENOENT' }, 'nothing was created through a link')
})

test('S-093 a file of the home is read completely, a missing one is undefined, and an endless one is an error', async (t) => {
  const folder = folderOf(t)
  const path = join(folder, 'file')
  t.is(await readHomeFile(path), undefined)
  writeFileSync(path, 'content')
  t.is((await readHomeFile(path))?.toString(), 'content')
  t.is(await readHomeFile(join(path, 'below')), undefined)
  truncateSync(path, 2 ** 40)
  await t.throwsAsync(readHomeFile(path), { code: 'CORRUPT' })
})
