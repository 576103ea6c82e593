import { createHash } from 'node:crypto'
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { open } from 'lmdb'
import { isDriveError, silentLog, systemRandom } from '../../base/index.js'
import { putObstacle } from '../../../test/support/not-a-file.js'
import { openEnvironment, type Environment } from '../../storage/kv/index.js'
import { TABLES } from '../../tree-state/index.js'
import { endFirstOpening, homeOf, localSealer, markFirstOpening, prepareLocalData } from './local-data.js'

const localKey = systemRandom.bytes(32)
const ROW = Buffer.from('row')

async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'dagdrive-local-'))
  t.teardown(() => rm(path, { recursive: true, force: true }))
  return path
}

async function use<T>(directory: string, name: 'meta' | 'queue', work: (environment: Environment) => T): Promise<T> {
  const sealer = localSealer(localKey, await homeOf(directory, systemRandom), name, systemRandom)
  const environment = openEnvironment({ path: join(directory, name), sealer, log: silentLog })
  try {
    const result = work(environment)
    await environment.commit()
    return result
  } finally {
    await environment.close()
  }
}

const put = (environment: Environment, table = 'state'): void =>
  environment.table(table, { sealed: true }).put(ROW, Buffer.from('value'))
const get = (environment: Environment): string | undefined =>
  environment.table('state', { sealed: true }).get(ROW)?.toString()

test('S-044 a sealed row opens only in its own home and environment', async (t) => {
  const [one, other] = [await folder(t), await folder(t)]
  for (const home of [one, other]) {
    await use(home, 'meta', put)
    await use(home, 'queue', put)
    t.is(await use(home, 'queue', get), 'value')
  }
  t.deepEqual(await homeOf(one, systemRandom), await homeOf(one, systemRandom))
  const own = join(one, 'queue')
  await rename(own, join(one, 'aside'))
  for (const foreign of [join(other, 'queue'), join(one, 'meta')]) {
    await cp(foreign, own, { recursive: true })
    t.true(isDriveError(await t.throwsAsync(use(one, 'queue', get))))
    await rm(own, { recursive: true })
  }
  await rename(join(one, 'aside'), own)
  t.is(await use(one, 'queue', get), 'value')
})

test('S-044 local data from before homes had an id still open', async (t) => {
  const path = await folder(t)
  const sealer = localSealer(localKey, undefined, 'meta', systemRandom)
  const environment = openEnvironment({ path: join(path, 'meta'), sealer, log: silentLog })
  put(environment)
  await environment.commit()
  await environment.close()
  t.is(await homeOf(path, systemRandom), undefined)
  t.is(await use(path, 'meta', get), 'value')
  await use(path, 'queue', put)
  t.is(await homeOf(path, systemRandom), undefined, 'it does not get an id later: its rows would not open')
})

test('S-045 local data of a newer program are refused, and nothing is written', async (t) => {
  const path = await folder(t)
  for (const name of ['meta', 'queue'] as const) await use(path, name, put)
  await t.notThrowsAsync(prepareLocalData(path, silentLog))
  const root = open<Buffer, Buffer>({
    path: join(path, 'queue'),
    noSubdir: false,
    encoding: 'binary',
    keyEncoding: 'binary',
  })
  await root
    .openDB<Buffer, Buffer>({ name: 'environment', encoding: 'binary', keyEncoding: 'binary' })
    .put(Buffer.from('format'), Buffer.of(0, 4))
  await root.close()
  await markFirstOpening(path)
  const before = await contentOf(path)
  t.true(isDriveError(await t.throwsAsync(prepareLocalData(path, silentLog)), 'INVALID'))
  t.deepEqual(await contentOf(path), before)
})

test('S-045 an interrupted first opening is repeated, and the embedded store stays', async (t) => {
  const path = await folder(t)
  await use(path, 'meta', put)
  await use(path, 'queue', put)
  await mkdir(join(path, 'node'))
  await writeFile(join(path, 'node', 'blocks.log'), 'published')
  await markFirstOpening(path)
  await prepareLocalData(path, silentLog)
  t.deepEqual((await readdir(path)).sort(), ['home', 'node'])
  t.is(await readFile(join(path, 'node', 'blocks.log'), 'utf8'), 'published')
})

test('S-045 a leftover mark of the first opening does not remove a tree with content', async (t) => {
  for (const table of [TABLES.dentries, TABLES.pages, TABLES.chunks]) {
    const path = await folder(t)
    await use(path, 'meta', (meta) => put(meta, table))
    await use(path, 'queue', put)
    await markFirstOpening(path)
    await prepareLocalData(path, silentLog)
    t.deepEqual((await readdir(path)).sort(), ['home', 'meta', 'queue'])
    t.is(await use(path, 'queue', get), 'value')
    await markFirstOpening(path)
    await endFirstOpening(path)
    t.deepEqual((await readdir(path)).sort(), ['home', 'meta', 'queue'])
  }
})

async function contentOf(path: string): Promise<string[]> {
  const names = (await readdir(path, { recursive: true })).filter((name) => name.endsWith('data.mdb')).sort()
  return Promise.all(
    names.map(
      async (name) =>
        `${name} ${createHash('sha256')
          .update(await readFile(join(path, name)))
          .digest('hex')}`,
    ),
  )
}

test('S-138 environments that were never written are made again, and an empty one beside written ones is refused', async (t) => {
  const directory = await folder(t)
  for (const name of ['meta', 'queue']) {
    await mkdir(join(directory, name))
    await writeFile(join(directory, name, 'data.mdb'), '')
  }
  await prepareLocalData(directory, silentLog)
  await use(directory, 'meta', put)
  await writeFile(join(directory, 'queue', 'data.mdb'), '')
  t.true(isDriveError(await t.throwsAsync(prepareLocalData(directory, silentLog)), 'CORRUPT'))
  t.is(await use(directory, 'meta', get), 'value')
})

test('S-093 anything but a folder in the place of a folder of the local data is refused by its name', async (t) => {
  const path = join(await folder(t), 'data')
  for (const name of ['', 'meta', 'index', 'queue', 'segments']) {
    const place = join(path, name)
    if (name !== '') await mkdir(path, { recursive: true })
    for (const kind of ['file', 'link', 'loop', 'pipe', 'socket'] as const) {
      await putObstacle(t, place, kind)
      const error = await t.throwsAsync(prepareLocalData(path, silentLog), undefined, `${kind} ${name}`)
      t.like(error, { code: 'ACCESS_DENIED' })
      t.true(error.message.startsWith(`${place} is not a folder`), error.message)
      await rm(place)
    }
  }
  await mkdir(join(path, '..', 'elsewhere'))
  await symlink(join(path, '..', 'elsewhere'), join(path, 'segments'))
  await t.notThrowsAsync(prepareLocalData(path, silentLog), 'a link to a folder of another disk')
})
