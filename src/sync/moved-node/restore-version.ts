/** Sends the published version again to a node that no longer knows the drive, because it was emptied or replaced. */
import { DriveError } from '../../base/index.js'
import { pinVersion, sendMissing } from '../publish/pin-version.js'
import type { Publisher } from '../publish/publish.js'
import type { IgnoredHead } from '../heads/credible.js'
import { moveName, noNameMoves } from '../publish/put-name.js'
import { clearTables } from '../../storage/kv/index.js'
import { LostBlock, sendBlocks } from '../publish/send-blocks.js'

/**
 * Call it only while there is no plan. If a block is on neither this machine nor the node, it throws, and nothing is
 * published.
 * @param ignored the heads on the node that are not credible
 */
export async function restoreVersion(
  publisher: Publisher,
  ignored: readonly IgnoredHead[],
  signal: AbortSignal,
): Promise<void> {
  const { state, names, onPhase, log } = publisher
  const { head } = state
  if (head === undefined) return
  log.warn('the node no longer knows the drive; sending the published version again', {
    height: head.commit.height,
  })
  // The node that the drive is to move to never had it.
  onPhase(publisher.isProvisional ? 'uploading' : 'restoring')
  const version = { version: head, base: undefined }
  try {
    const pinner = { ...publisher, sendAgain: (stop: AbortSignal) => sendBlocks(version, publisher, false, stop) }
    await sendMissing(version, pinner, signal)
    await pinVersion(version, pinner, signal)
  } catch (error) {
    if (!(error instanceof LostBlock)) throw error
    throw new DriveError(
      'NOT_FOUND',
      'The node lost this drive, and this machine no longer holds all of it. Restore the node or connect the old one.',
      {
        cause: error,
      },
    )
  } finally {
    await clearTables(state.queue, [state.tables.outgoing])
  }
  onPhase('naming')
  // Any device makes the same records for the same commit.
  const records = names.makeRecords(head.root, head.commit)
  const isDeviceMoved = await moveName(head.commit.deviceSlot, records.device, ignored, publisher, signal)
  const isDriveMoved = await moveName('drive', records.drive, ignored, publisher, signal)
  if (!isDeviceMoved && !isDriveMoved) throw noNameMoves()
}
