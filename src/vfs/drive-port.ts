/** The port lives in store, so that sync may know it too. */
export type {
  DriveCounts,
  DrivePort,
  LevelCounts,
  PublishedCommit,
  RemoteChild,
  RemoteSource,
} from '../tree-state/index.js'
