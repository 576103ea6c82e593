import test from 'ava'
import { encodeRequest } from '../../../test/support/fuse/loopback.js'
import { COPY_IN, OP } from './protocol.js'
import { Request } from './request.js'
import { Words } from './words.js'

test('S-087 a request keeps a copy of exactly the given bytes, from its own payload or from elsewhere', (t) => {
  const encoded = encodeRequest(OP.COPY_FILE_RANGE, 1, Buffer.alloc(COPY_IN.bytes, 7))
  const input = new Words(new ArrayBuffer(4096), 0, 4096)
  input.bytes.set(encoded)
  const request = new Request(input, 0)
  const elsewhere = Buffer.from('bytes of another file')
  t.deepEqual(Buffer.from(request.keep(elsewhere)), elsewhere)
  const own = request.keep(input.bytes.subarray(40, 48))
  input.bytes.fill(0)
  t.deepEqual(Buffer.from(own), Buffer.alloc(8, 7))
  t.deepEqual(Buffer.from(request.keep(elsewhere)), elsewhere)
})
