import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { DriveError, isDriveError, seededRandom, silentLog, systemClock, systemRandom } from '../../base/index.js'
import { createRootKey } from '../../crypto/index.js'
import { openNode, type IpfsNode } from '../../node/index.js'
import { DEFAULT_CONFIG, drivePaths, preparePaths } from '../../platform/index.js'
import { prepareDriveThread } from '../drive-thread/prepare-drive-thread.js'
import type { Holder } from '../mounts/contract.js'
import { openDrive, type Drive } from './drive.js'

interface Opened {
  readonly drive: Drive
  /** Opens a store with this name. */
  readonly open: (name: string) => Promise<IpfsNode>
}

/** @param wrap wraps the first node of the drive */
async function opened(t: ExecutionContext, wrap: (node: IpfsNode) => IpfsNode): Promise<Opened> {
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
  const drive = await openDrive({
    paths,
    config: () => Promise.resolve(DEFAULT_CONFIG),
    cacheBytes: 1 << 28,
    rootKey: createRootKey(seededRandom(1)),
    node: wrap(await open('first')),
    findStart: () => Promise.resolve(undefined),
    log: silentLog,
    holder: { take: () => undefined, drop: () => undefined } as unknown as Holder,
    losses: { note: () => Promise.resolve() },
    onDeath: (reason) => t.fail(reason.message),
    startThread: prepareDriveThread(),
    onMountsChanged: () => undefined,
  })
  t.teardown(() => drive.close(false))
  return { drive, open }
}

test('S-031 if the previous node fails to close, the drive still has sync', async (t: ExecutionContext) => {
  const failing = (node: IpfsNode): IpfsNode =>
    new Proxy(node, {
      get: (target, name): unknown => {
        const value = Reflect.get(target, name) as unknown
        if (name !== 'close') return typeof value === 'function' ? (value.bind(target) as unknown) : value
        return async () => {
          await target.close()
          throw new DriveError('NODE_ERROR', 'The disk of the node is gone.')
        }
      },
    })
  const { drive, open } = await opened(t, failing)
  await drive.changeNode(await open('second'), false)
  await drive.sync.syncNow()
  t.is(drive.sync.status().published?.height, 1)
})

test('S-031 a drive that is closed during a move does not start sync again', async (t) => {
  const { drive, open } = await opened(t, (node) => node)
  const next = await open('second')
  await drive.close(false)
  t.true(isDriveError(await t.throwsAsync(drive.changeNode(next, true)), 'ABORTED'))
  t.is(drive.sync.status().phase, 'closed')
  // The node is closed, so another program can use it.
  await (await open('second')).close()
})
