import test from 'ava'
import { isDriveError, seededRandom } from '../../base/index.js'
import { aclAfterChmod, applyAcl, checkAcl, inheritedAcl } from './acl.js'

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
