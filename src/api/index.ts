/** The control interface: the daemon's operations, the server, and the client. This module loads quickly. */
export type { AdoptReport, MountReport, MountRequest, UnmountRequest } from './mount-messages.js'
export { callControl, type CallControlOptions, controlAnswers } from './client.js'
export { type ControlServer, type ControlServerOptions, serveControl } from './server.js'
export {
  type ControlService,
  type CopyReport,
  type DriveState,
  type ForgetReport,
  type FsckFinding,
  type FsckProgress,
  type FsckReport,
  type InitReport,
  type InitRequest,
  type LevelReport,
  type LevelsReport,
  type NodeReport,
  type NodeRequest,
  type OperationContext,
  type OperationName,
  type Operations,
  type QueueReport,
  type StatusReport,
  type SyncReport,
  type TransferProgress,
  type UnmountReport,
} from './wire.js'
export { OPERATION_NAMES } from './requests.js'
