/** A drive for one test. */
import { scratchDrive, type OpenDrive } from './drive.js'

export async function withDrive(use: (drive: OpenDrive) => Promise<void>): Promise<void> {
  const scratch = scratchDrive()
  const drive = await scratch.open()
  try {
    await use(drive)
  } finally {
    await drive.abandon()
    scratch.remove()
  }
}
