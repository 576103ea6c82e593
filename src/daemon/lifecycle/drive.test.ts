import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { DriveError, seededRandom, silentLog, systemClock, systemRandom } from '../../base/index.js'
import { createRootKey } from '../../crypto/index.js'
import { openNode, type IpfsNode } from '../../node/index.js'
import { DEFAULT_CONFIG, drivePaths, preparePaths } from '../../platform/index.js'
import type { Holder } from '../mounts/holder.js'
import { openDrive } from './drive.js'

test('S-031 a node that fails when it is closed does not leave the drive without sync', async (t: ExecutionContext) => {
  const base = mkdtempSync(join(tmpdir(), 'dagdrive-change-node-'))
  t.teardown(() => rmSync(base, { recursive: true, force: true }))
  const paths = drivePaths({ DAGDRIVE_HOME: join(base, 'home') })
  mkdirSync(join(base, 'home'), { mode: 0o700 })
  await preparePaths(paths)
  const open = (name: string): Promise<IpfsNode> =>
    openNode(`file://${join(base, name)}`, {
      dataDirectory: paths.dataDirectory,
      clock: systemClock,
      log: silentLog,
      random: systemRandom,
    })
  const first = await open('first')
  const failing: IpfsNode = new Proxy(first, {
    get: (target, name): unknown => {
      const value = Reflect.get(target, name) as unknown
      if (name !== 'close') return typeof value === 'function' ? (value.bind(target) as unknown) : value
      return async () => {
        await target.close()
        throw new DriveError('NODE_ERROR', 'The disk of the node is gone.')
      }
    },
  })
  const drive = await openDrive({
    paths,
    config: () => Promise.resolve(DEFAULT_CONFIG),
    cacheBytes: 1 << 28,
    rootKey: createRootKey(seededRandom(1)),
    node: failing,
    findStart: () => Promise.resolve(undefined),
    log: silentLog,
    holder: { take: () => undefined, drop: () => undefined } as unknown as Holder,
    onDeath: (reason) => t.fail(reason.message),
    onMountsChanged: () => undefined,
  })
  t.teardown(() => drive.close(false))
  await drive.changeNode(await open('second'), false)
  await drive.sync.syncNow()
  t.is(drive.sync.status().published?.height, 1)
})
