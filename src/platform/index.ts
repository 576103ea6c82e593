/** This machine: paths, configuration, private files, durable directories, free space, calls of the native core. */
export { DEFAULT_CONFIG, type DriveConfig, isDeviceName, readConfig, withEnvironment, writeConfig } from './config.js'
export { makeDurableDirectory, syncDirectory, syncDirectoryLater } from './durable-directory.js'
export { tryLockFile } from './kernel-lock.js'
export { makeDirectories } from './make-directories.js'
export {
  allocatePages,
  forgetMapped,
  hurryWatch,
  punchHole,
  readWithoutWaiting,
  trimHeap,
  watchMapped,
} from './native-file.js'
export { nativeSeal, type NativeSeal } from './native-seal.js'
export {
  createSpaceGuard,
  type Disk,
  diskSpace,
  type Space,
  type SpaceGuard,
  spaceOf,
  unlimitedSpace,
  writeFailure,
} from './free-space.js'
export { drivePaths, type DrivePaths, type EnvironmentVariables, preparePaths } from './paths.js'
export { openRegularFile, readRegularFile, requireDirectory, statRegularFile } from './regular-file.js'
export { openHomeFile, readHomeFile } from './home-file.js'
export { ReservedFile } from './reserved-file.js'
export { isOurs, writePrivateFile } from './private-file.js'
export { readPrivateText } from './read-private.js'
export { keepMemoryPrivate } from './private-memory.js'
export { nodeUrlOf } from './node-address/node-address.js'
export { requireNodeUrl } from './node-address/node-address-fault.js'
export { copiesFolder, copyProgram } from './program-copy/copy-program.js'
export { isPrivatePlace } from './program-copy/is-private-place.js'
export { programRoot } from './program-copy/program-files.js'
export { removeOldCopies } from './program-copy/remove-old-copies.js'
