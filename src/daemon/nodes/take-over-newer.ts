/**
 * Before a drive is opened: what another device published on top of this home's version takes the place of the tree
 * here.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock, toWire, type Log } from '../../base/index.js'
import { type DrivePaths } from '../../platform/index.js'
import type { DriveKeys } from '../../crypto/index.js'
import type { IpfsNode } from '../../node/index.js'
import { createCore } from '../../pipeline/index.js'
import { openEnvironment, type Environment, type RowSealer } from '../../storage/kv/index.js'
import { beginTakeOver, isTakingOver, type FastForward } from '../../sync/index.js'

/** A node that needs longer to tell is as good as away: the drive is opened as it is here. */
const PATIENCE_MS = 20_000

export interface NewerOptions {
  readonly paths: DrivePaths
  readonly keys: DriveKeys
  /** Of local records. */
  readonly sealer: RowSealer
  /** Sync's own environment. */
  readonly queue: Environment
  readonly node: IpfsNode
  readonly deviceSlot: number
  readonly log: Log
  /** Told the code of the failure when the node did not say whether there is a newer version. */
  readonly onUnknown: (code: string) => void
}

/**
 * @returns the version whose root is to be the tree, after the old tree was removed; `finishTakeOver` once that one is
 * durable. Undefined: all stays as it is, also when the node can not tell. Rejects only where the old tree may be gone
 * already.
 */
export async function takeOverNewer(options: NewerOptions): Promise<FastForward | undefined> {
  const { paths, keys, sealer, queue, node, deviceSlot, log, onUnknown } = options
  const path = join(paths.dataDirectory, 'meta')
  const found = await begun(onUnknown, {
    queue,
    openMeta: () => openEnvironment({ path, sealer, log }),
    node,
    keys,
    deviceSlot,
    core: createCore(),
    clock: systemClock,
    log,
    signal: AbortSignal.timeout(PATIENCE_MS),
  })
  if (found === undefined) return undefined
  const { height, deviceSlot: author } = found.version.commit
  log.info('a version of another device is taken over', { height, deviceSlot: author })
  // Everything in it is in a published version. The entry of its successor is made durable together with this one's
  // end.
  await rm(path, { recursive: true, force: true })
  return found
}

async function begun(
  onUnknown: NewerOptions['onUnknown'],
  options: Parameters<typeof beginTakeOver>[0],
): Promise<FastForward | undefined> {
  try {
    return await beginTakeOver(options)
  } catch (error) {
    if (isTakingOver(options.queue)) throw error
    // Nothing keeps a drive from being opened as it is; what is wrong with node or heads is said by sync.
    const { code } = toWire(error)
    options.log.warn('whether there is a newer version is not known', { code })
    onUnknown(code)
    return undefined
  }
}
