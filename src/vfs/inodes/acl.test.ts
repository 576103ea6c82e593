import test from 'ava'
import { isDriveError, seededRandom } from '../../base/index.js'
import { TYPE } from '../../tree-state/index.js'
import { ACCESS_ACL, aclAfterChmod, applyAcl, checkAcl, DEFAULT_ACL, effectiveAcl, inheritedAcl } from './acl.js'
import type { Inode } from './inode.js'
import { followMode, getXattr, inheritAcl, listXattrs } from './xattrs.js'

const NOBODY = 0xffffffff

function acl(...entries: readonly (readonly [tag: number, permissions: number, id?: number])[]): Buffer {
  const bytes = Buffer.alloc(4 + entries.length * 8)
  bytes.writeUInt32LE(2)
  entries.forEach(([tag, permissions, id], i) => {
    bytes.writeUInt16LE(tag, 4 + i * 8)
    bytes.writeUInt16LE(permissions, 6 + i * 8)
    bytes.writeUInt32LE(id ?? NOBODY, 8 + i * 8)
  })
  return bytes
}

const NAMED = acl([1, 7], [2, 6, 1000], [4, 5], [16, 7], [32, 1])

test('S-059 an access ACL gives the mode: owner, mask, others; an ACL of three entries equals the mode', (t) => {
  t.deepEqual(applyAcl(NAMED), { permissions: 0o771, value: new Uint8Array(NAMED) })
  t.deepEqual(applyAcl(acl([1, 6], [4, 4], [32, 0])), { permissions: 0o640, value: undefined })
})

test('S-059 chmod changes the mask, and the group only where there is no mask', (t) => {
  t.deepEqual(aclAfterChmod(NAMED, 0o640), new Uint8Array(acl([1, 6], [2, 6, 1000], [4, 5], [16, 4], [32, 0])))
  t.deepEqual(aclAfterChmod(acl([1, 7], [4, 7], [32, 7]), 0o5751), new Uint8Array(acl([1, 7], [4, 5], [32, 1])))
})

test('S-059 an inherited ACL allows no more than the requested mode', (t) => {
  const { permissions, value } = inheritedAcl(NAMED, 0o640)
  t.is(permissions, 0o640)
  t.deepEqual(value, new Uint8Array(acl([1, 6], [2, 6, 1000], [4, 5], [16, 4], [32, 0])))
})

test('S-059 any bytes that are not an ACL are INVALID', (t) => {
  const chance = seededRandom(7)
  for (let round = 0; round < 20_000; round++) {
    const bytes = Buffer.from(NAMED.subarray(0, chance.next(2) === 0 ? NAMED.length : chance.next(NAMED.length + 1)))
    if (bytes.length > 0) bytes[chance.next(bytes.length)] = chance.next(256)
    try {
      checkAcl(bytes)
      applyAcl(bytes)
    } catch (error) {
      if (!isDriveError(error, 'INVALID')) t.fail(String(error))
    }
  }
  t.throws(() => checkAcl(acl([1, 7], [2, 6, 1000], [4, 5], [32, 1])), { code: 'INVALID' })
})

test('S-157 of a very long ACL the entries of owner, group, mask and others count, and give nobody more', (t) => {
  const many = Array.from({ length: 7000 }, (_, i) => [2, i === 6999 ? 4 : 6, i] as const)
  t.deepEqual(
    effectiveAcl(acl([1, 7], ...many, [4, 7], [16, 6], [32, 5])),
    new Uint8Array(acl([1, 7], [4, 4], [16, 6], [32, 4])),
  )
  t.deepEqual(effectiveAcl(NAMED), NAMED)
  t.is(effectiveAcl(Buffer.alloc(60_000, 1)), undefined)
})

const ROOT = { uid: 0, gid: 0, pid: 1, umask: 0 } as unknown as Parameters<typeof listXattrs>[1]

function made(type: number, mode: number, xattrs: Inode['xattrs'] = []): Inode {
  const fields = { type, mode: (type << 12) | mode, xattrs, isDirectory: type === TYPE.DIRECTORY }
  return fields as unknown as Inode
}

const LONG_BYTES = 4 + 8000 * 8

/** As another device can publish them: each attribute has at most 64 KiB, and all of them 96 KiB. */
function absurdAcls(): readonly Uint8Array[] {
  const long = Buffer.alloc(LONG_BYTES)
  long.writeUInt32LE(2)
  const put = (i: number, tag: number, permissions: number, id: number): void => {
    long.writeUInt16LE(tag, 4 + i * 8)
    long.writeUInt16LE(permissions, 6 + i * 8)
    long.writeUInt32LE(id, 8 + i * 8)
  }
  put(0, 1, 7, 0)
  for (let i = 1; i < 7997; i++) put(i, 2, 0, i)
  put(7997, 4, 7, 0)
  put(7998, 16, 7, 0)
  put(7999, 32, 7, 0)
  const unknown = Buffer.from(long.subarray(0, 4 + 4 * 8))
  return [long, unknown, Buffer.alloc(0), Buffer.alloc(3), Buffer.alloc(64 * 1024, 0xff), long.subarray(0, 100)]
}

test('S-157 files and folders are made below a folder with an absurd default ACL, with no right that the mode lacks', (t) => {
  for (const value of absurdAcls()) {
    const parent = made(TYPE.DIRECTORY, 0o755, [
      { name: DEFAULT_ACL, value },
      { name: 'user.note', value: new Uint8Array(1000) },
    ])
    for (const type of [TYPE.FILE, TYPE.DIRECTORY]) {
      const inode = made(type, 0o666)
      inheritAcl(inode, parent, 0o022)
      // Of the long one the mask stays, which is the group in the mode. The group itself and others have no right.
      t.is(inode.mode & 0o777, value.length === LONG_BYTES ? 0o660 : 0o644)
      const below = made(type, 0o777)
      inheritAcl(below, inode, 0o022)
    }
    t.true(listXattrs(parent, ROOT).includes('user.note'))
    for (const name of listXattrs(parent, ROOT)) t.true(getXattr(parent, name).length <= 4096)
  }
})

test('S-157 the mode of a file with an absurd access ACL can be changed', (t) => {
  for (const value of absurdAcls()) {
    const inode = made(TYPE.FILE, 0o640, [{ name: ACCESS_ACL, value }])
    inode.mode = (TYPE.FILE << 12) | 0o600
    t.notThrows(() => followMode(inode))
    if (listXattrs(inode, ROOT).length === 0) t.throws(() => getXattr(inode, ACCESS_ACL), { code: 'NO_DATA' })
    else t.true(getXattr(inode, ACCESS_ACL).length <= 4096)
  }
})
