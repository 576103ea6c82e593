import test, { type ExecutionContext } from 'ava'
import { execFileSync } from 'node:child_process'
import { lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { MIB } from '../../base/index.js'
import { holds, lacks, makeBlock, segmentNames, withStore } from '../../../test/support/storage/blocks.js'

const OTHERS_BYTES = Buffer.alloc(100_000, 'x')

/** What may be in the place of a segment: it is not ours, so it is neither read, nor changed, nor waited for. */
const REPLACEMENTS: Readonly<Record<string, (path: string) => void>> = {
  directory: (path) => mkdirSync(path),
  pipe: (path) => void execFileSync('mkfifo', [path]),
  link: (path) => {
    writeFileSync(`${path}-of-another`, OTHERS_BYTES)
    symlinkSync(`${path}-of-another`, path)
  },
  'link to itself': (path) => symlinkSync(path, path),
  'broken link': (path) => symlinkSync('/nowhere', path),
}

function isUntouched(t: ExecutionContext, path: string, before: number): void {
  t.is(lstatSync(path).ino, before)
  if (lstatSync(path).isSymbolicLink() && lstatSync(`${path}-of-another`, { throwIfNoEntry: false }) !== undefined)
    t.deepEqual(readFileSync(`${path}-of-another`), OTHERS_BYTES)
}

for (const [name, replace] of Object.entries(REPLACEMENTS)) {
  test(`S-155 a ${name} in the place of a segment is a lost segment: its blocks are asked of the node, the others stay`, async (t) => {
    await withStore(async (open) => {
      const store = await open()
      const lost = makeBlock(300_000)
      store.ingest([lost], { onlyCopy: false })
      await store.commit()
      const [segment] = segmentNames(store)
      const path = join(store.segmentDirectory, segment!)
      await store.close()
      const again = await open()
      const kept = makeBlock(5000)
      again.ingest([kept], { onlyCopy: false })
      await again.commit()
      rmSync(path)
      replace(path)
      const { ino } = lstatSync(path)
      t.is(await again.read(lost.digest, again.scratch(MIB)), undefined)
      t.is(again.readNow(lost.digest, true), undefined)
      await holds(t, again, kept)
      isUntouched(t, path, ino)
      await again.close()

      const last = await open()
      lacks(t, last, lost.digest)
      await holds(t, last, kept)
      isUntouched(t, path, ino)
      last.ingest([lost], { onlyCopy: false })
      await holds(t, last, lost)
      await last.evictTo(0)
      await last.close()
      await open()
    })
  })
}
