/** A node that does not know the drive any more (it was emptied or replaced) gets the published version again. */
import { DriveError } from '../../base/index.js'
import { pinVersion } from './pin-version.js'
import type { Publisher } from './publish.js'
import { putName } from './put-name.js'
import { clearTables } from '../../storage/kv/index.js'
import { LostBlock, sendBlocks } from './send-blocks.js'

/**
 * Only while no plan is under way. What neither this machine nor the node has is named by an error, and nothing is
 * published.
 * @param mayNameDrive false where what the drive name says on the node is ignored
 */
export async function restoreVersion(publisher: Publisher, mayNameDrive: boolean, signal: AbortSignal): Promise<void> {
  const { state, node, names, onPhase, log } = publisher
  const { head } = state
  if (head === undefined) return
  log.warn('the node does not know the drive any more; sending the published version again', {
    height: head.commit.height,
  })
  onPhase('uploading')
  const version = { version: head, base: undefined }
  try {
    await pinVersion(
      version,
      { ...publisher, sendAgain: (stop) => sendBlocks(version, publisher, false, stop) },
      signal,
    )
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
  // Whoever made the version: the same commit gives the same records.
  const records = names.makeRecords(head.root, head.commit)
  await putName(names.device(head.commit.deviceSlot), records.device, names, node, signal)
  if (mayNameDrive) await putName(names.drive, records.drive, names, node, signal)
}
