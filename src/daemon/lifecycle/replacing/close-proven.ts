/** Closes a drive that is to be replaced, and looks at its files when nothing changes them any more. */
import type { Drive } from '../drive.js'

/**
 * @param drive has no mounts
 * @param prove rejects if the closed drive must stay
 * @param reopen called if it stays
 */
export async function closeProven(
  drive: Drive,
  prove: () => Promise<void>,
  reopen: () => Promise<unknown>,
): Promise<void> {
  try {
    await drive.close(false)
    await prove()
  } catch (error) {
    await reopen()
    throw error
  }
}
