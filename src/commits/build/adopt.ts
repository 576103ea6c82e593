/**
 * Blocks sealed for a commit that is still being built. A journal names them, so the blocks of an abandoned commit are
 * given back.
 */
import type { Digest } from '../../base/index.js'
import { type Environment, pagesOf } from '../../storage/kv/index.js'
import type { DrivePort } from '../../tree-state/index.js'
import { digestOf, type QueueTables } from '../tables/queue-tables.js'

export interface Adopter {
  readonly tables: Pick<QueueTables, 'adopted'>
  readonly queue: Pick<Environment, 'commit'>
  readonly port: Pick<DrivePort, 'adopt'>
}

const NOTHING = new Uint8Array(0)
const DIGESTS_A_MESSAGE = 10_000

/**
 * The journal becomes durable before the blocks. A crash between the two leaves a digest without a block in the
 * journal, which is harmless.
 */
export async function adopt(
  blocks: Parameters<DrivePort['adopt']>[0],
  { tables, queue, port }: Adopter,
): Promise<void> {
  for (const { digest } of blocks) tables.adopted.put(digest, NOTHING)
  await queue.commit()
  await port.adopt(blocks)
}

/** May be repeated. The journal stays until the tables of the commit are emptied. */
export async function giveBackAdopted(
  tables: Pick<QueueTables, 'adopted' | 'live'>,
  port: Pick<DrivePort, 'giveBack'>,
): Promise<void> {
  for (const rows of pagesOf(tables.adopted, { pageRows: DIGESTS_A_MESSAGE })) {
    const unused: Digest[] = []
    const published: Digest[] = []
    for (const [digest] of rows) {
      const isLive = tables.live.get(digest) !== undefined
      ;(isLive ? published : unused).push(digestOf(digest))
    }
    await port.giveBack({ unused, published })
  }
}
