import test, { type ExecutionContext } from 'ava'
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DriveError, silentLog, sleep } from '../base/index.js'
import { callControl, OPERATION_NAMES, serveControl, type ControlServer, type ControlService } from './index.js'

const refuse = (): Promise<never> => Promise.reject(new DriveError('NOT_SUPPORTED', 'Not in this test.'))
const nothing = Object.fromEntries(OPERATION_NAMES.map((name) => [name, refuse])) as unknown as ControlService

async function serve(
  t: ExecutionContext,
  part: Partial<ControlService>,
  prepare: (directory: string) => Promise<string> = (directory) => Promise.resolve(directory),
): Promise<{ path: string; server: ControlServer }> {
  const directory = await mkdtemp(join(tmpdir(), 'dagdrive-api-'))
  const path = join(await prepare(directory), 'control.sock')
  const server = await serveControl({ path, service: { ...nothing, ...part }, log: silentLog })
  t.teardown(async () => {
    await server.close(100)
    await rm(directory, { recursive: true })
  })
  return { path, server }
}

test('only its owner can open the socket', async (t) => {
  const { path } = await serve(t, {})
  t.is((await stat(path)).mode & 0o777, 0o600)
})

test('a stale socket file is replaced', async (t) => {
  const { path } = await serve(
    t,
    { stop: async () => ({ staged: { files: 1, bytes: 2 }, endingPid: 7 }) },
    async (directory) => {
      await writeFile(join(directory, 'control.sock'), '')
      return directory
    },
  )
  t.deepEqual(await callControl(path, 'stop', {}), { staged: { files: 1, bytes: 2 }, endingPid: 7 })
})

test('a path longer than a socket address works', async (t) => {
  const { path } = await serve(t, { unlock: async () => ({ state: 'open' }) }, async (directory) => {
    const deep = join(directory, 'd'.repeat(120))
    await mkdir(deep)
    return deep
  })
  t.deepEqual(await callControl(path, 'unlock', { passphrase: 'p' }), { state: 'open' })
})

test('progress arrives before the answer', async (t) => {
  const step = { phase: 'uploading', doneBytes: 1, totalBytes: 2, remainingMs: 3 } as const
  const { path } = await serve(t, {
    unmount: async (given, context) => {
      context.progress({ ...step, lastError: undefined })
      await sleep(5)
      context.progress({ ...step, doneBytes: 2, lastError: undefined })
      return { unmounted: [given.directory ?? ''], staged: { files: 0, bytes: 0 }, stopped: undefined, endingPid: 7 }
    },
  })
  const seen: number[] = []
  const answer = await callControl(path, 'unmount', { directory: '/d' }, { onProgress: (p) => seen.push(p.doneBytes) })
  t.deepEqual(seen, [1, 2])
  t.deepEqual(answer.unmounted, ['/d'])
})

test('an error keeps its code and facts, before and after progress', async (t) => {
  const { path } = await serve(t, {
    mount: () => Promise.reject(new DriveError('MOUNT_FAILED', 'No.', { about: { errno: 1 } })),
    sync: async (_given, context) => {
      context.progress({ phase: 'waiting', doneBytes: 0, totalBytes: 0, remainingMs: undefined, lastError: undefined })
      throw new DriveError('OFFLINE', 'Away.')
    },
  })
  const failed = await t.throwsAsync(callControl(path, 'mount', { directory: '/d' }), { instanceOf: DriveError })
  t.is(failed.code, 'MOUNT_FAILED')
  t.deepEqual(failed.about, { errno: 1 })
  const away = await t.throwsAsync(callControl(path, 'sync', {}), { instanceOf: DriveError })
  t.is(away.code, 'OFFLINE')
})

test('a caller that disconnects aborts the operation', async (t) => {
  const gone = new AbortController()
  let stopped: () => void = () => undefined
  const ended = new Promise<void>((resolve) => (stopped = resolve))
  const { path } = await serve(t, {
    waitUnmounted: async (_given, { signal }) => {
      gone.abort()
      try {
        await sleep(10_000, signal)
      } finally {
        stopped()
      }
      return {}
    },
  })
  const error = await t.throwsAsync(callControl(path, 'waitUnmounted', { directory: '/d' }, { signal: gone.signal }), {
    instanceOf: DriveError,
  })
  t.is(error.code, 'ABORTED')
  await ended
})

test('nobody listening is DAEMON_UNREACHABLE', async (t) => {
  for (const path of ['/nonexistent/control.sock', `/nonexistent/${'d'.repeat(150)}/control.sock`]) {
    const error = await t.throwsAsync(callControl(path, 'status', {}), { instanceOf: DriveError })
    t.is(error.code, 'DAEMON_UNREACHABLE')
  }
})
