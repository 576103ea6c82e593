import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import { join } from 'node:path'
import type { StatusReport } from '../../src/api/index.js'
import type { Events, FileInfo, ListPage } from '../../src/files/client.js'
import { testWhere } from '../support/available.js'
import { programAside, testDrive, type TestDrive } from '../support/drive.js'
import { until } from '../support/until.js'

const test = testWhere('fuse')

interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

async function send(
  drive: TestDrive,
  method: string,
  path: string,
  body?: Buffer,
  headers: OutgoingHttpHeaders = {},
): Promise<Answer> {
  const call = request({
    socketPath: join(drive.home, 'control.sock'),
    method,
    path: `/v1/files/${path}`,
    headers,
    agent: false,
  })
  call.end(body)
  const [response] = (await once(call, 'response')) as [IncomingMessage]
  const parts: Buffer[] = []
  for await (const part of response as AsyncIterable<Buffer>) parts.push(part)
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts) }
}

async function call<T>(drive: TestDrive, operation: string, given: object): Promise<T> {
  const { body } = await send(drive, 'POST', operation, Buffer.from(JSON.stringify(given)))
  const line = JSON.parse(body.toString('utf8')) as { type: string; value: T; error?: { code: string } }
  if (line.type !== 'done') throw new Error(line.error?.code)
  return line.value
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const sumOf = async (path: string): Promise<string> => (await programAside('sha256sum', [path])).slice(0, 64)
const names = (page: ListPage): string[] => page.entries.map(({ name }) => name).sort()

test('S-070 programs on the mount and clients of the socket use one tree and see changes of each other at once', async (t) => {
  const drive = testDrive(t)
  await drive.up()
  const { mountpoint } = drive
  t.is(await programAside('ls', [mountpoint]), '', 'the kernel has cached the empty listing')
  const { next } = await call<Events>(drive, 'events', {})

  const content = randomBytes(20 * 1024 * 1024 + 77)
  const put = await send(drive, 'PUT', 'content?path=/big&origin=tester', content, { 'if-none-match': '*' })
  t.is(put.status, 200, put.body.toString())
  t.is(await programAside('ls', [mountpoint]), 'big\n')
  t.is(await sumOf(join(mountpoint, 'big')), sha256(content))

  await programAside('sh', [
    '-c',
    `printf changed | dd of=${mountpoint}/big bs=1 seek=5 conv=notrunc 2>/dev/null; mkdir ${mountpoint}/d; mv ${mountpoint}/big ${mountpoint}/d/moved`,
  ])
  content.write('changed', 5)
  const whole = await send(drive, 'GET', 'content?path=d/moved')
  t.is(sha256(whole.body), sha256(content))
  const range = await send(drive, 'GET', 'content?path=d/moved', undefined, { range: 'bytes=3-1048578' })
  t.deepEqual([range.status, range.headers['content-range']], [206, `bytes 3-1048578/${String(content.length)}`])
  t.true(range.body.equals(content.subarray(3, 1_048_579)))
  t.is(
    (await send(drive, 'GET', 'content?path=d/moved', undefined, { 'if-none-match': String(whole.headers.etag) }))
      .status,
    304,
  )
  t.is((await send(drive, 'GET', 'content?path=d/moved', undefined, { range: 'bytes=99999999-' })).status, 416)

  // A replaced file keeps its id, and programs that have it in the page cache see its new content.
  const before = await call<FileInfo>(drive, 'stat', { path: 'd/moved' })
  const small = Buffer.from('small now')
  t.is((await send(drive, 'PUT', 'content?path=d/moved', small, { 'if-match': `"${before.revision}"` })).status, 200)
  t.is(await programAside('cat', [join(mountpoint, 'd/moved')]), 'small now')
  t.is((await call<FileInfo>(drive, 'stat', { id: before.id })).size, small.length)
  t.is((await send(drive, 'PUT', 'content?path=d/moved', small, { 'if-match': `"${before.revision}"` })).status, 410)

  await call(drive, 'rename', { id: before.id, to: 'back' })
  await call(drive, 'makeDirectory', { path: 'x/y/z', parents: true })
  t.is(await programAside('ls', [mountpoint]), 'back\nd\nx\n')
  await call(drive, 'remove', { path: 'x', recursive: true })
  t.deepEqual(names(await call<ListPage>(drive, 'list', { path: '/' })), ['back', 'd'])
  t.is(await programAside('ls', [mountpoint]), 'back\nd\n')
  await t.throwsAsync(call(drive, 'remove', { path: '../etc/passwd' }), { message: 'INVALID' })
  await t.throwsAsync(call(drive, 'nothing', {}), { message: 'NOT_FOUND' })

  const { events } = await call<Events>(drive, 'events', { from: next })
  const told = events
    .filter(({ kind, origin }) => kind !== 'changed' || origin !== 'kernel')
    .map(({ kind, name, origin }) => `${kind} ${name} ${origin}`)
  t.deepEqual(
    told.filter((line, i) => line !== told[i - 1]),
    [
      'added big tester',
      'added d kernel',
      'moved moved kernel',
      'changed moved api',
      'moved back api',
      'added x api',
      'added y api',
      'added z api',
      'removed z api',
      'removed y api',
      'removed x api',
    ],
  )
  t.true(events.every(({ sequence }, i) => i === 0 || sequence === (events[i - 1]?.sequence ?? 0) + 1))
})

test('S-070 an interrupted upload leaves the old content and no other file', async (t) => {
  const drive = testDrive(t)
  await drive.up()
  await send(drive, 'PUT', 'content?path=f', Buffer.from('old'))
  const socketPath = join(drive.home, 'control.sock')
  const cut = request({
    socketPath,
    method: 'PUT',
    path: '/v1/files/content?path=f',
    headers: { 'content-length': 10_000_000 },
  })
  cut.on('error', () => undefined) // interrupted on purpose
  cut.write(Buffer.alloc(3_000_000))
  await new Promise((resolve) => setTimeout(resolve, 300))
  cut.destroy()
  await until(async () => names(await call<ListPage>(drive, 'list', { path: '/' })).length === 1, 50)
  t.deepEqual(names(await call<ListPage>(drive, 'list', { path: '/' })), ['f'])
  t.is((await send(drive, 'GET', 'content?path=f')).body.toString(), 'old')
})

test('S-082 putting content at the path of a file keeps its attributes; links and other names are not lost', async (t) => {
  const drive = testDrive(t)
  await drive.up()
  const { mountpoint } = drive
  const shell = (script: string): Promise<string> => programAside('sh', ['-c', script], mountpoint)
  await shell(
    'echo old > doc; chmod 2640 doc; setfattr -n user.tag -v red doc; ln -s doc link; mkfifo pipe; echo two > one; ln one other',
  )
  const put = (path: string): Promise<Answer> => send(drive, 'PUT', `content?path=${path}`, Buffer.from('new\n'))
  t.is((await put('doc')).status, 200)
  t.is(await shell('cat doc; stat -c %a doc; getfattr --only-values -n user.tag doc'), 'new\n2640\nred')
  for (const [path, code] of Object.entries({ link: 'EXISTS', pipe: 'EXISTS', one: 'TOO_MANY_LINKS' })) {
    const { status, body } = await put(path)
    t.is(status, 409, path)
    t.is((JSON.parse(body.toString()) as { error: { code: string } }).error.code, code)
  }
  t.is(await shell('readlink link; cat one other; ls'), 'doc\ntwo\ntwo\ndoc\nlink\none\nother\npipe\n')
  for (const origin of ['x'.repeat(65), '', 'a\nb', '\u001b[31m']) {
    t.is(
      (await send(drive, 'PUT', `content?path=f&origin=${encodeURIComponent(origin)}`, Buffer.from('x'))).status,
      400,
    )
    await t.throwsAsync(call(drive, 'makeDirectory', { path: 'd', origin }), { message: 'INVALID' })
  }
})

for (const holder of [false, true]) {
  test(`S-092 an upload interrupted by a kill is neither in the tree nor in a version (${holder ? 'with' : 'without'} a holder)`, async (t) => {
    const drive = testDrive(t, { holder })
    await drive.up()
    await send(drive, 'PUT', 'content?path=f', Buffer.from('old'))
    const cut = request({
      socketPath: join(drive.home, 'control.sock'),
      method: 'PUT',
      path: '/v1/files/content?path=f',
      headers: { 'content-length': 10_000_000 },
    })
    cut.on('error', () => undefined) // the daemon is killed on purpose
    cut.write(randomBytes(5_000_000))
    // The version and the records on disk contain the part received so far.
    await new Promise((resolve) => setTimeout(resolve, 1500))
    t.is(await programAside('ls', ['-A', drive.mountpoint]), 'f\n', 'while it runs')
    await drive.must(['sync'])
    drive.killDaemon()
    await drive.mount()
    t.is(await programAside('ls', ['-A', drive.mountpoint]), 'f\n', 'after the kill')
    t.is(await programAside('cat', [join(drive.mountpoint, 'f')]), 'old')
    await send(drive, 'PUT', 'content?path=g', Buffer.from('later'))
    await drive.must(['sync'])
    const used = async (): Promise<number> => (await drive.json<StatusReport>(['status'])).cache?.usedBytes ?? Infinity
    t.true(await until(async () => (await used()) < 1_000_000, 250), 'its space is freed')
  })
}
