/** Content of a drive for tests of the live set: a chunk list two folders down, and blocks that several files share. */
import type { Device, World } from './world.js'

export async function makeDeepTree({ drive }: Device, { random }: World): Promise<void> {
  for (const folder of ['/a', '/a/b']) await drive.makeDirectory(folder)
  await drive.write('/a/b/long', random.bytes(6_000_000))
  const same = random.bytes(50_000)
  for (const path of ['/same', '/a/same', '/a/b/same']) await drive.write(path, same)
}
