import { join } from 'node:path'
import { readFileSync } from 'node:fs'
import type { ExecutionContext } from 'ava'
import { silentLog, systemRandom } from '../../src/base/index.js'
import { deriveDriveKeys, rootKeyOfPhrase } from '../../src/crypto/index.js'
import { homeOf, localSealer } from '../../src/daemon/lifecycle/local-data.js'
import { openEnvironment, readBe64 } from '../../src/storage/kv/index.js'
import { isDirectory } from '../../src/model/index.js'
import { decodeInode, encodeInode, TABLES } from '../../src/tree-state/index.js'
import { testWhere } from '../support/available.js'
import { program, temporaryFolder, testDrive, type TestDrive } from '../support/drive.js'

const test = testWhere('fuse', 'root')

const shell = (drive: TestDrive, script: string): string =>
  program('bash', ['-c', `set -e; ${script}`], { cwd: drive.mountpoint })

for (const nlink of [1, 2, 0xffff_ffff]) {
  test(`S-116 S-036 a version has the link count ${nlink} for each directory and linked file: all of them stay, and publishing goes on`, async (t: ExecutionContext) => {
    t.timeout(10 * 60_000)
    const folder = temporaryFolder(t)
    const phraseFile = join(folder, 'phrase')
    const node = `file://${join(folder, 'node')}`
    const environment = { DAGDRIVE_DEBOUNCE_MS: '600000' }
    const [here, other] = [testDrive(t, { environment }), testDrive(t, { environment })]
    await here.up(['--node', node, '--phrase-out', phraseFile])
    shell(here, 'mkdir -p p/s1 p/s2; echo keep > p/keep; echo linked > x; ln x y; ln x p/z')
    await here.unmount()
    await here.run(['daemon', 'stop'])

    await other.up(['--node', node, '--phrase-file', phraseFile])
    shell(other, 'ls -lR')
    await other.unmount()
    await other.run(['daemon', 'stop'])
    await writeLinkCounts(other, readFileSync(phraseFile, 'utf8').trim(), nlink)
    await other.mount()
    shell(other, 'touch . p p/s1 p/s2 x')
    await other.unmount()

    await here.mount()
    t.is(shell(here, 'ls p > /dev/null; stat -c %h p'), '4\n')
    shell(here, 'rmdir p/s1 p/s2; echo new > p/new; mkdir p/sub; rm x y; test "$(cat p/z)" = linked')
    for (let mount = 0; mount < 2; mount++) {
      await here.unmount()
      await here.mount()
      t.is(shell(here, 'stat -c %h p; cat p/keep p/new p/z'), '3\nkeep\nnew\nlinked\n')
      shell(here, `echo ${mount} > p/sub/${mount}`)
      await here.must(['sync'])
    }
    await here.must(['fsck'])
  })
}

/** Changes the local records: the next version of this device has this link count for directories and linked files. */
async function writeLinkCounts(drive: TestDrive, phrase: string, nlink: number): Promise<void> {
  const data = join(drive.home, 'data')
  const { localKey } = deriveDriveKeys(rootKeyOfPhrase(phrase))
  const sealer = localSealer(localKey, await homeOf(data, systemRandom), 'meta', systemRandom)
  const meta = openEnvironment({ path: join(data, 'meta'), sealer, log: silentLog })
  const inodes = meta.table(TABLES.inodes, { sealed: true })
  for (const [key, row] of [...inodes.range()]) {
    const record = decodeInode(readBe64(key), row)
    if (isDirectory(record)) inodes.put(key, encodeInode({ ...record, nlink }))
    else if (record.nlink > 1) inodes.put(key, encodeInode({ ...record, nlink: Math.max(2, nlink) }))
  }
  await meta.commit()
  await meta.close()
}
