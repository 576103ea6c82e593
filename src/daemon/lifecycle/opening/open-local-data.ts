/** Opens the local data of the main thread: the id of the home, the sealer of its rows, and the tables of sync. */
import { join } from 'node:path'
import { systemRandom, type Log, type SecretKey } from '../../../base/index.js'
import { openEnvironment, shrinkEnvironment, type Environment, type RowSealer } from '../../../storage/kv/index.js'
import { unmarkAllPublished } from '../ending/all-published-mark.js'
import { ENVIRONMENTS, homeOf, localSealer, prepareLocalData } from '../local-data.js'

/** The local data that the main thread uses. */
export interface LocalData {
  readonly home: Uint8Array | undefined
  /** Seals the rows of `meta`. */
  readonly sealer: RowSealer
  /** The caller closes it. */
  readonly queue: Environment
}

/** Prepares the folder, and opens what the main thread uses of it. */
export async function openLocalData(directory: string, localKey: SecretKey, log: Log): Promise<LocalData> {
  await prepareLocalData(directory, log)
  await unmarkAllPublished(directory)
  for (const name of ENVIRONMENTS) await shrinkEnvironment(join(directory, name), { log })
  const home = await homeOf(directory, systemRandom)
  const sealer = localSealer(localKey, home, 'meta', systemRandom)
  const queueSealer = localSealer(localKey, home, 'queue', systemRandom)
  return { home, sealer, queue: openEnvironment({ path: join(directory, 'queue'), sealer: queueSealer, log }) }
}
