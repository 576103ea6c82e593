/** A drive, and its files as a client has them. */
import { type ExecutionContext } from 'ava'
import { scratchDrive, type OpenDrive, type Scratch } from './drive.js'
import { seededRandom } from '../../../src/base/index.js'
import { openFiles, type FilesOptions } from '../../../src/files/open-files.js'
import { writeStream, type FilesSession } from '../../../src/files/index.js'

interface World {
  readonly scratch: Scratch
  readonly drive: OpenDrive
  readonly files: FilesSession
  readonly forgotten: string[]
}

export async function world(t: ExecutionContext): Promise<World> {
  const scratch = scratchDrive()
  const drive = await scratch.open()
  const forgotten: string[] = []
  const files = filesOf(drive, forgotten)
  t.teardown(async () => {
    await files.closeAll()
    await drive.shut()
    scratch.remove()
  })
  return { scratch, drive, files, forgotten }
}

export function filesOf(drive: OpenDrive, forgotten: string[] = []): FilesSession {
  return openFiles(optionsOf(drive, forgotten))
}

export function optionsOf({ tree, unnamed, identities, changes }: OpenDrive, forgotten: string[] = []): FilesOptions {
  return {
    tree,
    unnamed,
    identities,
    listen: (listener) => changes.listen(listener),
    invalidate: (what) => forgotten.push(what.kind),
    random: seededRandom(3),
    uid: 7,
    gid: 8,
  }
}

export const put = (
  files: FilesSession,
  path: string,
  text: string | Uint8Array,
  ifs: object = {},
): Promise<{ id: string }> => writeStream(files, path, [Buffer.from(text)], { origin: 'test', ...ifs })
