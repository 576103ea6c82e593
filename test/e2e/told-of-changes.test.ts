/** Automatic publishing on the real daemon: nothing calls `sync`, and the daemon does not poll for changes. */
import type { ExecutionContext } from 'ava'
import { sleep } from '../../src/base/index.js'
import { testWhere } from '../support/available.js'
import { programAside, testDrive, type TestDrive } from '../support/drive.js'

interface Status {
  readonly levels: Readonly<Record<'held' | 'staged' | 'published', { readonly files: number }>>
  readonly publishedHeight: number
}

/**
 * Waits for a version above `height` with this many files.
 * @returns its height
 */
async function publishedAbove(height: number, files: number, drive: TestDrive): Promise<number> {
  for (;;) {
    const { levels, publishedHeight } = await drive.json<Status>(['status'])
    if (publishedHeight > height && levels.published.files === files && levels.staged.files === 0)
      return publishedHeight
    await sleep(300)
  }
}

testWhere('fuse')(
  'S-090 R-13 changes in the mount of an idle drive are published automatically, again and again',
  async (t: ExecutionContext) => {
    t.timeout(10 * 60_000)
    const drive = testDrive(t, { environment: { DAGDRIVE_DEBOUNCE_MS: '400' } })
    await drive.up()
    let height = 0
    for (let round = 1; round <= 3; round++) {
      await programAside('sh', ['-c', `echo ${round} > file-${round}`], drive.mountpoint)
      height = await publishedAbove(height, round, drive)
      // Longer than any delay after a change.
      await sleep(1500)
    }
    await programAside('rm', ['file-1'], drive.mountpoint)
    t.true((await publishedAbove(height, 2, drive)) > height)
    await drive.unmount()
  },
)
