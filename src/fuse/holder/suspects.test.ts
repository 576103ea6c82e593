import test from 'ava'
import { createLoopback, encodeRequest } from '../../../test/support/fuse/loopback.js'
import { scratchDrive } from '../../../test/support/vfs/drive.js'
import { ROOT_INO } from '../../vfs/index.js'
import { OP } from '../protocol/protocol.js'
import { Suspects, SUSPECTS_NUMBERS } from './suspects.js'

const memory = (): Float64Array => new Float64Array(SUSPECTS_NUMBERS)

test('S-118 a request is refused after two drive threads died between its arrival and its answer', (t) => {
  const numbers = memory()
  t.deepEqual(
    [1, 2, 3, 4].map(() => {
      const suspects = new Suspects(numbers, 77)
      return [suspects.refuses(10), suspects.refuses(10)]
    }),
    [
      [false, false],
      [false, false],
      [true, true],
      [false, false],
    ],
    'once refused, it is answered, so its number may come again',
  )
})

test('S-118 kills of the whole daemon, and requests that were answered, count nothing', (t) => {
  const killed = memory()
  for (let process = 1; process < 9; process++) t.false(new Suspects(killed, process).refuses(10))
  const numbers = memory()
  new Suspects(numbers, 1).refuses(10)
  new Suspects(numbers, 1).refuses(11)
  new Suspects(numbers, 1).refuses(10)
  t.false(new Suspects(numbers, 1).refuses(11))
  const many = new Suspects(numbers, 1)
  for (let unique = 0; unique < 1000; unique++) t.false(many.refuses(unique))
})

test('S-118 a refused request gets EIO and is reported; one that was not resent is served', async (t) => {
  const scratch = scratchDrive()
  const drive = await scratch.open()
  const numbers = memory()
  for (let thread = 0; thread < 2; thread++) new Suspects(numbers, 1).refuses(2048)
  const loopback = createLoopback(drive.tree)
  const { session } = loopback
  session.takeOver({ minor: 45, flags: 0, flags2: 1 << 7 })
  session.suspects = new Suspects(numbers, 1)
  const refused: string[] = []
  session.onRefused = (what) => refused.push(what)
  const resent = encodeRequest(OP.GETATTR, ROOT_INO, Buffer.alloc(16), 2048)
  resent.writeUInt32LE(0x8000_0000, 12)
  t.is(loopback.feed(resent)[0]!.readInt32LE(4), -5)
  t.deepEqual(refused, ['GETATTR'])
  t.is(loopback.feed(encodeRequest(OP.GETATTR, ROOT_INO, Buffer.alloc(16), 2048))[0]!.readInt32LE(4), 0)
  await drive.shut()
  scratch.remove()
})
