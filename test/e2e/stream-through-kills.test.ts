import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { sleep } from '../../src/base/index.js'
import { testWhere } from '../support/available.js'
import { programAside, testDrive, type TestDrive } from '../support/drive.js'
import { until } from '../support/until.js'

const test = testWhere('fuse')

/** Appends 1 MiB at a time, sometimes overwrites earlier bytes, and prints the hash of the expected content. */
const STREAM = `
import hashlib, os, random, sys
chance = random.Random(int(sys.argv[2]))
blocks = [chance.randbytes(1 << 20) for _ in range(16)]
wanted = bytearray()
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
for i in range(int(sys.argv[3])):
    block = chance.choice(blocks)
    at = len(wanted) if chance.random() < 0.9 else max(0, len(wanted) - chance.randrange(3 << 20))
    assert os.pwrite(file, block, at) == len(block)
    wanted[at:at + len(block)] = block
    if chance.random() < 0.02:
        size = max(0, len(wanted) - chance.randrange(1 << 20))
        os.ftruncate(file, size)
        del wanted[size:]
assert os.pread(file, 1 << 20, len(wanted) - (1 << 20)) == wanted[-(1 << 20):]
print(hashlib.sha256(wanted).hexdigest())
`

const MOST_KILLS = 10

const goneOn = (drive: TestDrive): number => drive.log(Infinity).split('the mount goes on').length - 1

test('S-087 large stream writes continue through kills and lose nothing, although the log does not copy their bytes', async (t: ExecutionContext) => {
  t.timeout(10 * 60_000)
  const drive = testDrive(t)
  await drive.up()
  const streams = [1, 2].map(async (seed) => {
    const path = join(drive.mountpoint, `stream ${seed}`)
    const output = await programAside('python3', ['-c', STREAM, path, String(seed), '150'])
    return { path, wanted: output.trim() }
  })
  let isOver = false
  void Promise.allSettled(streams).then(() => (isOver = true))
  let kills = 0
  // As many as can be while it works, but a slow machine has to get to its end.
  while (!isOver && kills < MOST_KILLS) {
    await sleep(700)
    if (isOver) break
    drive.killDaemon()
    kills++
    t.true(await until(() => goneOn(drive) >= kills, 50), drive.log())
  }
  t.log(`${kills} kills`)
  const written = await Promise.all(streams)
  drive.killDaemon()
  for (const { path, wanted } of written) {
    t.is((await programAside('sha256sum', [path])).slice(0, 64), wanted, path)
  }
  t.notRegex(drive.log(Infinity), /could not be done again/)
  await drive.run(['unmount', '--now'])
})
