/**
 * Bulk upload: one CAR in one `dag/import`, generated while it is sent. `pin-roots` is off, because with it Kubo
 * answers 200 even if it cannot pin the root; the caller pins afterwards. The upload succeeds if the node's own count
 * of blocks and bytes matches.
 */
import { DriveError } from '../../base/index.js'
import { carStream } from '../../dag/index.js'
import type { CallOptions, CidText, ImportResult, NodeBlock } from '../contract.js'
import { countField, fieldOf, sentenceField } from './answer-fields.js'
import { shorten, withWords } from '../words.js'
import type { KuboRpc } from './rpc.js'
import { streamedFile } from './send-body.js'

export interface ImportCarOptions extends CallOptions {
  readonly roots: readonly CidText[]
  readonly onProgress?: ((done: { blocks: number; bytes: number }) => void) | undefined
  readonly boundary: string
}

/** The fields come from the node and are not trusted; see answer-fields.ts. */
interface ImportLine {
  readonly Root?: unknown
  readonly Stats?: unknown
}

/** A CAR needs at least one root. The empty raw block is used if the caller has none. */
const NO_ROOT = 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'

export async function importCar(
  rpc: KuboRpc,
  blocks: AsyncIterable<NodeBlock> | Iterable<NodeBlock>,
  options: ImportCarOptions,
): Promise<ImportResult> {
  const sent = { blocks: 0, bytes: 0 }
  const source = counted(blocks, sent, options.onProgress)
  const car = carStream(options.roots.length > 0 ? options.roots : [NO_ROOT], source)
  const answer = await rpc.call('dag/import', {
    query: { 'pin-roots': false, stats: true, 'fast-provide-root': false },
    body: streamedFile('file', car, options.boundary),
    signal: options.signal,
  })
  let stats: unknown
  for await (const line of answer.lines<ImportLine>()) {
    stats = line.Stats ?? stats
    const pinError = sentenceField(fieldOf(line.Root, 'PinErrorMsg'))
    if (pinError !== undefined) {
      const said = shorten(rpc.endpoint.hide(pinError))
      throw new DriveError('NODE_ERROR', withWords('The node could not store the upload.', said), { about: { said } })
    }
  }
  const confirmed = countField(fieldOf(stats, 'BlockCount'))
  if (confirmed !== sent.blocks || countField(fieldOf(stats, 'BlockBytesCount')) !== sent.bytes) {
    throw new DriveError('NODE_ERROR', 'The node did not confirm every block of the upload.', {
      about: { where: rpc.endpoint.where, sent: sent.blocks, confirmed: confirmed ?? 0 },
    })
  }
  options.onProgress?.({ ...sent })
  return sent
}

async function* counted(
  blocks: AsyncIterable<NodeBlock> | Iterable<NodeBlock>,
  sent: { blocks: number; bytes: number },
  onProgress: ImportCarOptions['onProgress'],
): AsyncGenerator<NodeBlock, void, undefined> {
  for await (const block of blocks) {
    yield block
    sent.blocks++
    sent.bytes += block.bytes.byteLength
    onProgress?.({ ...sent })
  }
}
