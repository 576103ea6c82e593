/**
 * Before a drive is opened: replaces the local tree by a newer version that another device published on top of it
 * (fast-forward).
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

/** A node that needs longer counts as unreachable: the drive is opened with its local tree. */
const PATIENCE_MS = 20_000

export interface NewerOptions {
  readonly paths: DrivePaths
  readonly keys: DriveKeys
  /** Seals local records. */
  readonly sealer: RowSealer
  /** Sync's own environment. */
  readonly queue: Environment
  readonly node: IpfsNode
  readonly deviceSlot: number
  readonly log: Log
  /** Gets the error code when the node could not tell whether there is a newer version. */
  readonly onUnknown: (code: string) => void
}

/**
 * @returns the version to build the tree from, after the old tree was removed; call `finishTakeOver` when the new tree
 * is durable. Undefined: nothing changed, also when the node cannot answer.
 * @throws only if the old tree may already be gone
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
  log.info('fast-forward to a version of another device', { height, deviceSlot: author })
  // Everything in the old tree is in a published version. The removal of this directory entry and the creation of its
  // successor become durable together.
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
    // A failure here must not prevent opening the drive; sync reports problems with the node or the heads.
    const { code } = toWire(error)
    options.log.warn('the node could not be asked for a newer version', { code })
    onUnknown(code)
    return undefined
  }
}
