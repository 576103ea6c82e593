import test from 'ava'
import { seededRandom } from '../../base/index.js'
import {
  caller,
  contentKeys,
  createFile,
  readHandle,
  readInode,
  scratchDrive,
  seedOf,
  type OpenDrive,
  type Scratch,
} from '../../../test/support/vfs/drive.js'
import { FALLOCATE, OPEN } from '../tree.js'

const KIB = 1024
/** The whole content is compared after this many steps. */
const every = Number(process.env['EVERY'] ?? 5)
void contentKeys

interface Model {
  bytes: Buffer
  ino: number
  handle: number
}

/**
 * Compares one file with a plain buffer. The sizes are chosen so that every layer (inline, pages, tail, pieces, chunks)
 * is used.
 */
async function exercise(scratch: Scratch, seed: number, steps: number, say: (line: string) => void): Promise<void> {
  const random = seededRandom(seed)
  let drive: OpenDrive = await scratch.open({ heldLimitBytes: 16 * 1024 * KIB })
  const model: Model = { bytes: Buffer.alloc(0), ...(await createFile(drive.tree, 'file')) }
  const check = async (what: string): Promise<void> => {
    const found = await readInode(drive.tree, model.ino)
    if (Buffer.compare(found, model.bytes) !== 0) {
      const at = found.findIndex((byte, i) => byte !== model.bytes[i])
      throw new Error(`${what}: ${found.length} bytes, expected ${model.bytes.length}, first difference at ${at}`)
    }
  }
  const grow = (size: number): void => {
    if (size > model.bytes.length) model.bytes = Buffer.concat([model.bytes], size)
  }
  const write = async (offset: number, length: number): Promise<void> => {
    const data = Buffer.from(random.bytes(Math.min(length, 4096)))
    const all = Buffer.alloc(length)
    for (let at = 0; at < length; at += data.length) data.copy(all, at, 0, Math.min(data.length, length - at))
    for (let at = 0; at < length; at += 128 * KIB) {
      const part = all.subarray(at, Math.min(length, at + 128 * KIB))
      const sent = Buffer.from(part)
      const result = drive.tree.write(model.ino, model.handle, offset + at, sent, caller)
      sent.fill(0xee)
      await result
    }
    grow(offset + length)
    all.copy(model.bytes, offset)
  }
  const log: string[] = []
  try {
    for (let step = 0; step < steps; step++) {
      const size = model.bytes.length
      const draw = random.next(100)
      const somewhere = random.next(Math.max(1, size + 1))
      const length = 1 + random.next([100, 3000, 5000, 70 * KIB, 300 * KIB][random.next(5)]!)
      let what = ''
      if (draw < 25) {
        what = `append ${length}`
        await write(size, length)
      } else if (draw < 45) {
        what = `write ${somewhere} ${length}`
        await write(somewhere, length)
      } else if (draw < 49) {
        const gap = random.next(20_000)
        what = `write beyond ${gap} ${length}`
        await write(size + gap, length)
      } else if (draw < 51) {
        what = 'append 5 MiB'
        await write(size, 5 * 1024 * KIB)
      } else if (draw < 59) {
        const to = random.next(5) === 0 ? 0 : random.next(2) === 0 ? somewhere : size + random.next(9000)
        what = `truncate ${to}`
        await drive.tree.setAttributes(model.ino, { size: to }, model.handle, caller)
        model.bytes = to <= size ? Buffer.from(model.bytes.subarray(0, to)) : Buffer.concat([model.bytes], to)
      } else if (draw < 65) {
        what = `punch ${somewhere} ${length}`
        await drive.tree.allocate(
          model.ino,
          model.handle,
          { mode: FALLOCATE.PUNCH_HOLE | FALLOCATE.KEEP_SIZE, offset: somewhere, length },
          caller,
        )
        model.bytes.fill(0, somewhere, Math.min(size, somewhere + length))
      } else if (draw < 68) {
        what = `zero ${somewhere} ${length}`
        await drive.tree.allocate(
          model.ino,
          model.handle,
          { mode: FALLOCATE.ZERO_RANGE, offset: somewhere, length },
          caller,
        )
        grow(somewhere + length)
        model.bytes.fill(0, somewhere, somewhere + length)
      } else if (draw < 72 && size > 0) {
        const from = random.next(size)
        const to = size + random.next(10_000)
        what = `copy ${from} ${to} ${length}`
        const place = { ino: model.ino, handle: model.handle }
        const count = Math.min(length, size - from, to - from)
        let done = 0
        while (done < count) {
          const some = await drive.tree.copyRange(
            { ...place, offset: from + done },
            { ...place, offset: to + done },
            count - done,
            caller,
          )
          if (some === 0) break
          done += some
        }
        const source = Buffer.from(model.bytes.subarray(from, from + done))
        if (done > 0) grow(to + done)
        source.copy(model.bytes, to)
      } else if (draw < 82) {
        what = 'sync'
        await drive.tree.sync(model.ino, false, caller)
      } else if (draw < 90) {
        what = 'close and open'
        drive.tree.release(model.ino, model.handle)
        model.handle = (await drive.tree.open(model.ino, OPEN.READ_WRITE, caller)).handle
      } else if (draw < 93) {
        what = 'flush'
        await drive.port.flush()
      } else if (draw < 96) {
        what = 'reopen'
        await drive.shut()
        drive = await scratch.open({ heldLimitBytes: 16 * 1024 * KIB })
        model.handle = (await drive.tree.open(model.ino, OPEN.READ_WRITE, caller)).handle
      } else {
        what = 'crash after sync'
        await drive.tree.sync(model.ino, false, caller)
        const copy = scratch.crashCopy()
        try {
          const again = await copy.open()
          const found = await readInode(again.tree, model.ino)
          await again.shut()
          if (Buffer.compare(found, model.bytes) !== 0) throw new Error(`${what}: content after the crash differs`)
        } finally {
          copy.remove()
        }
      }
      log.push(what)
      if (step % every === every - 1) await check(`step ${step}, after ${log.slice(-12).join('; ')}`)
      else if (size > 0) {
        const from = random.next(size)
        const part = await readHandle(drive.tree, model.ino, model.handle, from, 10_000)
        const expected = model.bytes.subarray(from, from + 10_000)
        if (Buffer.compare(part, expected) !== 0)
          throw new Error(`step ${step}: read at ${from} after ${log.slice(-12).join('; ')}`)
      }
      if (model.bytes.length > 24 * 1024 * KIB) {
        await drive.tree.setAttributes(model.ino, { size: 1000 }, model.handle, caller)
        model.bytes = Buffer.from(model.bytes.subarray(0, 1000))
      }
    }
    await check('end')
    drive.tree.release(model.ino, model.handle)
    await drive.port.flush()
    const counts = await drive.port.counts()
    if (counts.held.bytes !== 0 || counts.held.files !== 0)
      throw new Error('held bytes are left after everything was staged')
    if (counts.total.files !== 1 || counts.total.bytes !== model.bytes.length) throw new Error('the totals are wrong')
  } catch (error) {
    say(log.slice(-20).join('\n'))
    throw error
  } finally {
    await drive.abandon()
  }
}

test('a file has exactly the bytes that were written, whatever operations ran in between (R-01, R-74)', async (t) => {
  const seed = seedOf(t.log)
  for (let round = 0; round < 4; round++) {
    const scratch = scratchDrive()
    try {
      await exercise(scratch, seed + round, 150, (line) => t.log(line))
    } finally {
      scratch.remove()
    }
  }
  t.pass()
})
