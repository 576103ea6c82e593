/** The parts of the daemon that others use: its state, the open drive, and how to open or close it. */
import type { DriveState } from '../../api/index.js'
import type { Log } from '../../base/index.js'
import type { RootKey } from '../../crypto/index.js'
import type { IpfsNode, OpenNodeOptions } from '../../node/index.js'
import type { DriveConfig, DrivePaths } from '../../platform/index.js'
import type { OpenedDrive } from '../../sync/index.js'
import type { NodeCredential } from '../keys/node-keys.js'
import type { StartThread } from '../drive-thread/prepare-drive-thread.js'
import type { Holder } from '../mounts/contract.js'
import type { DeadMounts } from '../mounts/dead/dead-mounts.js'
import type { Drive } from './drive.js'
import type { Losses } from './losses.js'
import type { OpeningWait } from './opening/opening-wait.js'

export interface DaemonOptions {
  readonly paths: DrivePaths
  readonly log: Log
  readonly version: string
  /** Detach the mounts of a crashed daemon instead of restoring them. */
  readonly leaveMounts: boolean
  readonly holder: Holder
  readonly startThread: StartThread
  readonly onMountsChanged: () => void
}

export interface Daemon {
  readonly state: DriveState
  /** The last failure without a waiting caller; shown by `status`. */
  lastError: string | undefined
  /** Lost data that the user has not been told about yet. */
  readonly losses: Losses
  readonly deadMounts: Pick<DeadMounts, 'list' | 'detach' | 'takeDetached'>
  readonly paths: DrivePaths
  readonly log: Log
  readonly version: string
  /** The drive, while it is open. */
  readonly drive: Drive | undefined
  readonly rootKey: RootKey | undefined
  /**
   * Waits for an opening in progress, and for a mount to be taken over.
   * @throws NO_DRIVE, LOCKED, or the reason why the drive could not be opened; BUSY if the take-over takes long;
   * NO_SPACE or BUSY while the opening waits
   */
  requireDrive(): Promise<Drive>
  /** As `requireDrive`, also while a mount is taken over. Its callers do not change the tree. */
  requireOpen(): Promise<Drive>
  /** Opens the drive of the key file. A failure becomes part of the state. */
  start(): Promise<void>
  /** Whether the opening waits for space, or after deaths of the drive thread. */
  readonly waiting: Pick<OpeningWait, 'problem' | 'held'>
  /** Ends such a wait: the held mount ends, and what only its log has is recorded as a loss. */
  giveUpWaiting(): Promise<void>
  /** Waits for an opening in progress, so that `state` is up to date. */
  settled(): Promise<void>
  /** @throws WRONG_KEY if the passphrase is wrong */
  unlock(passphrase: string): Promise<void>
  /** Opens a drive whose key file and configuration were just written. */
  open(rootKey: RootKey, node: IpfsNode, start: OpenedDrive | undefined): Promise<Drive>
  /** Closes the drive and opens it again, with the configuration on disk. */
  reopen(): Promise<Drive>
  /**
   * Closes the drive and its node. Then there is none here: `work` removes its files. If `work` fails, the drive is
   * opened again when it is needed.
   * @param prove called with the closed files, which nothing changes any more. If it rejects, the drive is opened again
   * @throws BUSY if anything is mounted, or `drive` is not the open one any more; or as `prove`. Then the drive stays
   */
  release(drive: Drive, prove: () => Promise<void>, work: () => Promise<void>): Promise<void>
  /** Connects to the configured node, or to another address. */
  connectNode(
    address: string,
    credential: NodeCredential | undefined,
    how?: Pick<OpenNodeOptions, 'mustExist'>,
  ): Promise<IpfsNode>
  /** The stored credential of this node, or `key` if given. Never that of another node. */
  nodeCredential(address: string, key?: string): Promise<NodeCredential | undefined>
  config(): Promise<DriveConfig>
  /** Makes everything `staged`, unmounts and closes. `rememberMounts`: the next daemon restores the mounts. */
  close(rememberMounts: boolean): Promise<void>
}
