import { chmod, chown, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { isDriveError, seededRandom, systemRandom } from '../base/index.js'
import {
  createRootKey,
  deriveDriveKeys,
  keyOfPassphrase,
  phraseOfRootKey,
  rootKeyOfPhrase,
  unwrapRootKey,
  wrapRootKey,
} from './index.js'
import { readKeyFile, writeKeyFile } from '../daemon/keys/key-file.js'

const QUICK = { logN: 12, r: 8, p: 1 }

async function inDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'dagdrive-key-'))
  try {
    await run(directory)
  } finally {
    await rm(directory, { recursive: true })
  }
}

test('the BIP-39 reference vectors for 256 bits (trezor/python-mnemonic, vectors.json)', (t) => {
  const rows: readonly [number, string][] = [
    [0x00, `${'abandon '.repeat(23)}art`],
    [0xff, `${'zoo '.repeat(23)}vote`],
    [
      0x7f,
      `${'legal winner thank year wave sausage worth useful '
        .repeat(3)
        .trim()
        .replace(/useful$/u, 'title')}`,
    ],
    [
      0x80,
      `${'letter advice cage absurd amount doctor acoustic avoid '
        .repeat(3)
        .trim()
        .replace(/avoid$/u, 'bless')}`,
    ],
  ]
  for (const [byte, phrase] of rows) {
    const root = new Uint8Array(32).fill(byte)
    t.is(phraseOfRootKey(root), phrase)
    t.deepEqual(rootKeyOfPhrase(phrase), root)
  }
})

test('a phrase may be typed in capitals and over several lines', (t) => {
  const root = createRootKey(systemRandom)
  const typed = phraseOfRootKey(root).toUpperCase().replaceAll(' ', '\n  ')
  t.deepEqual(rootKeyOfPhrase(` ${typed}\t`), root)
})

test('a wrong phrase is refused with the reason, and without repeating its words', (t) => {
  const words = phraseOfRootKey(new Uint8Array(32).fill(0x7f)).split(' ')
  const refuse = (phrase: string, reason: RegExp): void => {
    const error = t.throws(() => rootKeyOfPhrase(phrase))
    t.true(isDriveError(error, 'INVALID'))
    t.regex(error.message, reason)
    t.false(/sausage|bitcoinx/u.test(error.message))
  }
  refuse(words.slice(1).join(' '), /24 words; this one has 23/u)
  refuse(['bitcoinx', ...words.slice(1)].join(' '), /Word 1 is not in/u)
  refuse(['bitcoinx', 'wxyz', ...words.slice(2)].join(' '), /Words 1, 2 are not in/u)
  refuse([words[1], words[0], ...words.slice(2)].join(' '), /checksum/u)
})

test('all keys of a drive differ, repeat for the same root, and change with it', (t) => {
  const all = (root: Uint8Array): string[] => {
    const keys = deriveDriveKeys(root)
    const { superKey, dedupKey, gearKey, nameKey, localKey, driveNameSeed } = keys
    const list = [
      superKey,
      dedupKey,
      gearKey,
      nameKey,
      localKey,
      driveNameSeed,
      ...[0, 1, 255].map((slot) => keys.deviceSeed(slot)),
    ]
    return list.map((key) => Buffer.from(key).toString('hex'))
  }
  const first = all(new Uint8Array(32).fill(1))
  const second = all(new Uint8Array(32).fill(2))
  t.deepEqual(first, all(new Uint8Array(32).fill(1)))
  t.is(new Set([...first, ...second]).size, 18)
  t.true(first.every((key) => key.length === 64))
  t.true(
    isDriveError(
      t.throws(() => deriveDriveKeys(new Uint8Array(32)).deviceSeed(256)),
      'OUT_OF_RANGE',
    ),
  )
  t.true(
    isDriveError(
      t.throws(() => deriveDriveKeys(new Uint8Array(31))),
      'INVALID',
    ),
  )
})

test('a slot opens only with its key, and distinguishes a wrong key from damage', (t) => {
  const random = seededRandom(11)
  const root = random.bytes(32)
  const kek = random.bytes(32)
  const slot = wrapRootKey(root, kek, random)
  t.deepEqual(new Uint8Array(unwrapRootKey(slot, kek)), root)
  t.true(
    isDriveError(
      t.throws(() => unwrapRootKey(slot, random.bytes(32))),
      'WRONG_KEY',
    ),
  )
  const damaged = { ...slot, sealed: Uint8Array.from(slot.sealed, (byte, index) => (index === 3 ? byte ^ 1 : byte)) }
  t.true(
    isDriveError(
      t.throws(() => unwrapRootKey(damaged, kek)),
      'CORRUPT',
    ),
  )
})

test('R-41 a key file stores the root key, plain or under a passphrase, with mode 0600, and does not replace an existing file unless asked', async (t) => {
  await inDirectory(async (directory) => {
    const root = createRootKey(systemRandom)
    for (const passphrase of [undefined, 'correct horse']) {
      const path = join(directory, passphrase === undefined ? 'plain' : 'sealed')
      await writeKeyFile(path, root, { random: systemRandom, passphrase, cost: QUICK })
      t.is((await stat(path)).mode & 0o777, 0o600)
      t.deepEqual(new Uint8Array(await readKeyFile(path, { passphrase })), root)
      t.true(isDriveError(await t.throwsAsync(writeKeyFile(path, root, { random: systemRandom })), 'EXISTS'))
      await writeKeyFile(path, new Uint8Array(32), { random: systemRandom, passphrase, cost: QUICK, replace: true })
      t.deepEqual(new Uint8Array(await readKeyFile(path, { passphrase })), new Uint8Array(32))
    }
    const sealed = join(directory, 'sealed')
    t.true(isDriveError(await t.throwsAsync(readKeyFile(sealed)), 'WRONG_KEY'))
    t.true(isDriveError(await t.throwsAsync(readKeyFile(sealed, { passphrase: 'wrong' })), 'WRONG_KEY'))
    await writeKeyFile(sealed, root, { random: systemRandom, passphrase: 'p', cost: QUICK, replace: true })
    const text = await readFile(sealed, 'utf8')
    t.false(text.includes(Buffer.from(root).toString('base64')))
  })
})

test('R-41 the plaintext fields of a key slot are bound to it, and an older file without this binding still opens', async (t) => {
  await inDirectory(async (directory) => {
    const path = join(directory, 'key')
    const root = createRootKey(systemRandom)
    await writeKeyFile(path, root, { random: systemRandom, passphrase: 'p', cost: QUICK })
    const file = JSON.parse(await readFile(path, 'utf8')) as { version: number; slot: object }
    t.is(file.version, 2)
    await writeFile(path, JSON.stringify({ ...file, version: 1 }))
    t.true(isDriveError(await t.throwsAsync(readKeyFile(path, { passphrase: 'p' })), 'CORRUPT'))
    const salt = new Uint8Array(16).fill(7)
    const old = wrapRootKey(root, await keyOfPassphrase('p', salt, QUICK), systemRandom)
    const fields = Object.entries({ ...old, salt }).map(([name, it]) => [name, Buffer.from(it).toString('base64')])
    const slot = { kind: 'passphrase', ...QUICK, ...(Object.fromEntries(fields) as object) }
    await writeFile(path, JSON.stringify({ format: 'dagdrive key', version: 1, slot }))
    t.deepEqual(new Uint8Array(await readKeyFile(path, { passphrase: 'p' })), root)
  })
})

test('a key file is refused when others can read it, when it is not a key file, or when its version is newer', async (t) => {
  await inDirectory(async (directory) => {
    const path = join(directory, 'key')
    const code = async (): Promise<string | undefined> => {
      const error = await t.throwsAsync(readKeyFile(path))
      return isDriveError(error) ? error.code : undefined
    }
    t.is(await code(), 'NOT_FOUND')
    await writeKeyFile(path, new Uint8Array(32), { random: systemRandom })
    await chmod(path, 0o640)
    t.is(await code(), 'ACCESS_DENIED')
    await chmod(path, 0o600)
    if (process.getuid?.() === 0) {
      await chown(path, 65_534, 65_534)
      t.is(await code(), 'ACCESS_DENIED', "another user's")
      await chown(path, 0, 0)
    }
    for (const [text, expected] of [
      ['{', 'CORRUPT'],
      ['null', 'CORRUPT'],
      ['{"format":"dagdrive key","version":3}', 'NOT_SUPPORTED'],
      ['{"format":"dagdrive key","version":1,"slot":{"kind":"plain","rootKey":"AAAA"}}', 'CORRUPT'],
      ['{"format":"dagdrive key","version":1}', 'CORRUPT'],
      ['x'.repeat(20_000), 'CORRUPT'],
    ] as const) {
      await rm(path)
      await writeFile(path, text, { mode: 0o600 })
      t.is(await code(), expected)
    }
  })
})
