/**
 * Creates an empty drive in a home that has a key but no data, if its node knows no drive of this key either. The
 * request must contain the phrase and `--new`.
 */
import { timingSafeEqual } from 'node:crypto'
import type { InitReport } from '../../api/index.js'
import { DriveError, isDriveError } from '../../base/index.js'
import { rootKeyOfPhrase } from '../../crypto/index.js'
import { DEFAULT_CONFIG, writeConfig } from '../../platform/index.js'
import { nodeReportOf } from '../control/status.js'
import { unmarkPublished } from '../nodes/published-mark.js'
import type { Daemon } from './contract.js'

/** @throws DRIVE_EXISTS if there is a drive after all, or if the phrase belongs to another key */
export async function createAgain(daemon: Daemon, phrase: string, signal: AbortSignal): Promise<InitReport> {
  const { paths } = daemon
  const failure = await daemon.requireDrive().then(
    () => new DriveError('DRIVE_EXISTS', 'There is already a drive here. Nothing was changed.'),
    (error: unknown) => error,
  )
  if (!isDriveError(failure, 'NO_DRIVE')) throw failure
  if (daemon.rootKey === undefined || !timingSafeEqual(rootKeyOfPhrase(phrase), daemon.rootKey)) {
    throw new DriveError('DRIVE_EXISTS', 'The phrase does not match the key here. Nothing was changed.')
  }
  const { deviceSlot } = DEFAULT_CONFIG
  await writeConfig(paths.configFile, { ...(await daemon.config()), deviceSlot, openedExisting: false })
  await unmarkPublished(paths.publishedFile)
  const { node, sync } = await daemon.requireDrive()
  const { published } = sync.status()
  return {
    outcome: published === undefined ? 'created' : 'opened',
    phrase: undefined,
    node: nodeReportOf(await node.check({ signal })),
    publishedHeight: published?.height ?? 0,
  }
}
