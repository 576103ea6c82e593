/** A published commit of a drive in a test, as sync reports it to the drive thread. */
import { createCore } from '../../../src/pipeline/index.js'
import type { ChunkRecord, PublishedCommit } from '../../../src/tree-state/index.js'
import { contentKeys, type OpenDrive } from './drive.js'

const core = createCore()

/** Everything that was removed so far is removed before it, and nothing else has changed, unless `more` says so. */
export function commitOf(drive: OpenDrive, sequence: number, more: Partial<PublishedCommit> = {}): PublishedCommit {
  const counter = drive.meta.table('state', { sealed: true }).get(Buffer.from('nextRemoved'))!
  return {
    sequence,
    removedBefore: Number(Buffer.from(counter).readBigUInt64BE()),
    refs: [],
    merged: [],
    confirmed: [],
    discarded: [],
    ...more,
  }
}

/** The rows of a table of the drive. */
export const rowsOfTable = (drive: OpenDrive, table: string): (readonly [Uint8Array, Uint8Array])[] => [
  ...drive.meta.table(table, { sealed: true }).range(),
]

/** Seals pages of a file in one piece, as publishing does. @returns the chunks that replace them */
export async function mergePages(drive: OpenDrive, plain: Buffer, sequence: number): Promise<ChunkRecord[]> {
  const rows: ChunkRecord[] = []
  let from = 0
  for (const end of core.cut(plain, 'content-defined', true, contentKeys)) {
    const { sealed, digest, key, dedupId } = core.sealLeaf(plain.subarray(from, end), contentKeys)
    await drive.port.adopt([{ digest, bytes: sealed, dedupId }])
    rows.push({ offset: from, length: end - from, skip: 0, digest, key, born: sequence })
    from = end
  }
  return rows
}
