import test from 'ava'
import { unusedExports } from '../support/exported-names.js'
import { filesBelow, isTest } from '../support/sources.js'

/** Exports for tests only, by reason. */
const FOR_TESTS: Readonly<Record<string, readonly string[]>> = {
  'read by a test of the documentation': [
    'src/api/index.ts OPERATION_NAMES',
    'src/base/errors.ts DRIVE_ERRORS',
    'src/base/index.ts DRIVE_ERRORS',
    'src/cli/program.ts buildProgram',
  ],
  'tests repeat random work by its seed': ['src/base/index.ts seededRandom', 'src/base/random.ts seededRandom'],
  'an independent implementation to compare the fast one with': [
    'src/crypto/aead-xchacha.ts xchacha20Poly1305Noble',
    'src/crypto/index.ts aes256Gcm',
    'src/crypto/index.ts xchacha20Poly1305Noble',
    'src/crypto/index.ts RECORD_OVERHEAD',
    'src/crypto/index.ts hkdf',
    'src/dag/car-write.ts carHeader',
  ],
  'tests build, read and compare trees and versions that no device made': [
    'src/commits/index.ts parentHeights',
    'src/dag/index.ts Block',
    'src/dag/index.ts buildMap',
    'src/dag/index.ts readMap',
    'src/dag/index.ts digestsWithin',
    'src/dag/index.ts directoryRows',
    'src/dag/index.ts findInDirectory',
    'src/dag/index.ts linkRow',
    'src/dag/index.ts sortRows',
    'src/dag/name-record.ts compareNameRecords',
    'src/pipeline/index.ts PipelineOptions',
    'src/tree-state/index.ts DirectoryPage',
    'src/dag/map/map-build.ts buildMap',
    'src/dag/map/map-read.ts readMap',
    'src/dag/pin-tree/sorted-digests.ts digestsWithin',
    'src/dag/records/commit.ts encodeCommit',
    'src/dag/records/commit.ts decodeCommit',
    'src/dag/records/tables.ts directoryRows',
    'src/dag/records/tables.ts findInDirectory',
    'src/dag/records/tables.ts linkRow',
    'src/dag/records/tables.ts sortRows',
    'src/sync/fetch/open-existing.ts findDrive',
  ],
  'the constants of a contract, used by its suite': [
    'src/node/index.ts DEFAULT_TIMEOUTS',
    'src/vfs/index.ts FALLOCATE',
    'src/vfs/index.ts SEEK',
  ],
  'a pure part that is tested separately, because its edge needs the kernel': [
    'src/cli/terminal.ts progressLine',
    'src/daemon/lifecycle/lock.ts readLockHolder',
    'src/fuse/mounts/stale.ts probeMount',
    'src/fuse/operations/pending-kill.ts hasPendingKill',
    'src/fuse/operations/pending-kill.ts masksHaveKill',
    'src/node/kubo/socket-tables.ts listenerAt',
  ],
  'merging and history will use it (docs/decisions/120)': ['src/commits/diff/diff-versions.ts diffVersions'],
}

const sources = filesBelow('src', ['.ts'])
const product = sources.filter(({ path }) => !isTest(path))
const unused = new Set(unusedExports(product))
const excepted = Object.values(FOR_TESTS).flat()

test('every exported name of src is imported by another file of the product', (t) => {
  t.deepEqual(
    [...unused].filter((key) => !excepted.includes(key)),
    [],
  )
})

test('every exception is needed: it exists, and the product does not use it', (t) => {
  t.deepEqual(
    excepted.filter((key) => !unused.has(key)),
    [],
  )
})

test('a name counts as used through any chain of index files, and not by its own file', (t) => {
  const found = unusedExports([
    {
      path: 'src/a/one.ts',
      text: 'export const used = 1; export const dead = 2; export type Gone = 1; export type Own = 1; let own: Own; const x = dead',
    },
    { path: 'src/a/two.ts', text: 'export function starred() {}; export function unstarred() {}' },
    { path: 'src/a/late.ts', text: 'export const late = 1; export const never = 1' },
    {
      path: 'src/a/index.ts',
      text: "export { used as renamed, dead, type Gone } from './one.js'; export * from './two.js'",
    },
    {
      path: 'src/b.ts',
      text: "import { renamed, starred } from './a/index.js'; const { late } = await import('./a/late.js')",
    },
  ])
  t.deepEqual(found.sort(), [
    'src/a/index.ts Gone',
    'src/a/index.ts dead',
    'src/a/late.ts never',
    'src/a/one.ts Gone',
    'src/a/one.ts dead',
    'src/a/two.ts unstarred',
  ])
})
