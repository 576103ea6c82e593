import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { DriveError } from '../../base/index.js'
import { isKeptKey, keepOnlyNodeKey, readNodeKey, saveNodeKey } from './node-keys.js'

async function fresh(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'dagdrive-node-keys-'))
  t.teardown(() => rm(directory, { recursive: true }))
  return join(directory, 'node.key')
}

const [A, B] = ['http://127.0.0.1:5001', 'https://server:5001/kubo']

test('S-048 a key is given for its own node only, also while two nodes have a key', async (t) => {
  const path = await fresh(t)
  t.is(await readNodeKey(path, A), undefined)
  await saveNodeKey(path, A, { key: 'one', listener: [1000] })
  t.is(await readNodeKey(path, B), undefined)
  await saveNodeKey(path, B, { key: 'two' })
  t.deepEqual(await readNodeKey(path, A), { key: 'one', listener: [1000] })
  t.is((await readNodeKey(path, `${B}/`))?.key, 'two')
  t.is(await readNodeKey(path, 'https://server:5001'), undefined)
  t.is(await readNodeKey(path, 'embedded'), undefined)
  await keepOnlyNodeKey(path, B)
  t.is(await readNodeKey(path, A), undefined)
  t.is((await stat(path)).mode & 0o777, 0o600)
  t.deepEqual(await readdir(join(path, '..')), ['node.key'], 'nothing else is left')
  await saveNodeKey(path, B, undefined)
  t.deepEqual(await readdir(join(path, '..')), [], 'no key, no file')
})

test('S-203 a key that is given again is the kept one if the node is sent the same', async (t) => {
  const path = await fresh(t)
  t.false(await isKeptKey(path, A, 'bearer:one'), 'none is kept')
  await saveNodeKey(path, A, { key: 'bearer:one' })
  await saveNodeKey(path, B, { key: 'basic:user:password' })
  for (const same of ['bearer:one', ' bearer:one ']) t.true(await isKeptKey(path, A, same), same)
  for (const other of ['bearer:two', 'bearer:one2', 'basic:one', 'basic:user:password', `bearer:${'x'.repeat(9999)}`])
    t.false(await isKeptKey(path, A, other), other)
  t.true(await isKeptKey(path, B, 'basic:dXNlcjpwYXNzd29yZA=='), 'the same in base64')
  t.true(await isKeptKey(path, 'embedded', 'bearer:any'), 'it takes none')
  await t.throwsAsync(isKeptKey(path, A, 'bearer:\u0007'), { code: 'USAGE' })
})

test('S-048 a file that names no node, or that others can read, is NODE_DENIED, and the error reveals no content', async (t) => {
  const path = await fresh(t)
  const texts = [
    'bearer:secret\n',
    '{}',
    'null',
    '{"format":"dagdrive node keys","version":1,"keys":[{"key":"secret"}]}',
  ]
  for (const [text, mode] of [...texts.map((it) => [it, 0o600] as const), ['', 0o640] as const]) {
    await rm(path, { force: true })
    await writeFile(path, text, { mode })
    const error = await t.throwsAsync<DriveError>(readNodeKey(path, A), { instanceOf: DriveError })
    t.is(error?.code, 'NODE_DENIED')
    t.regex(error?.message ?? '', /dagdrive node set/)
    t.false(JSON.stringify([error?.message, error?.about, String(error?.cause)]).includes('secret'))
  }
  await saveNodeKey(path, A, { key: 'again' })
  t.is((await readNodeKey(path, A))?.key, 'again', 'the key is replaced')
  t.regex(await readFile(path, 'utf8'), /127\.0\.0\.1:5001/)
})
