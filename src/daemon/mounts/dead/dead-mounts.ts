/**
 * The recorded mounts whose daemon and holder were killed. Shows and detaches them without a drive, so also while it is
 * locked or cannot be opened.
 */
import type { MountReport } from '../../../api/index.js'
import { toWire, type Log } from '../../../base/index.js'
import { clearStale, isStale } from '../../../fuse/index.js'
import { readMountRecord, restoreMode, writeMountRecord, type RecordedMount } from '../mount-record.js'

export class DeadMounts {
  /** What was detached since the last `takeDetached`. */
  #detached: string[] = []

  constructor(
    private readonly mountsFile: string,
    private readonly log: Log,
  ) {}

  async list(): Promise<MountReport[]> {
    const dead: MountReport[] = []
    for (const { directory, readOnly, allowOther } of await readMountRecord(this.mountsFile, this.log)) {
      const isDead = await isStale(directory).catch(() => false) // the directory is gone
      if (isDead) dead.push({ directory, readOnly, allowOther, isDead })
    }
    return dead
  }

  /**
   * Detaches them. They are not restored later.
   * @param held the directory of a mount that a holder keeps: it is not dead, and stays recorded
   */
  async detach(held?: string): Promise<void> {
    const recorded = await readMountRecord(this.mountsFile, this.log)
    const kept: RecordedMount[] = []
    for (const mount of recorded) if (mount.directory === held || !(await this.#detach(mount))) kept.push(mount)
    if (kept.length === recorded.length) return
    // The next daemon tries again. A full disk must not end the mount that is held.
    await writeMountRecord(this.mountsFile, kept, this.log).catch((error: unknown) =>
      this.log.warn('the record of mounts could not be written', { code: toWire(error).code }),
    )
  }

  /** The directories that were detached and that no command was told of. */
  takeDetached(): string[] {
    return this.#detached.splice(0)
  }

  /** @returns false if it is still there */
  async #detach({ directory, bareMode }: RecordedMount): Promise<boolean> {
    try {
      if ((await clearStale(directory)) > 0) this.#detached.push(directory)
    } catch (error) {
      this.log.warn('a dead mount could not be detached', { error: error instanceof Error ? error.message : '' })
      return false
    }
    await restoreMode(directory, bareMode)
    return true
  }
}
