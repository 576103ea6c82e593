/**
 * The foundation of every module: errors, time, randomness, logging, cancellation, bytes. Imports no other module of
 * ours.
 */
export { aborted, sharedAbort, sleep, throwIfAborted, unlessAborted } from './abort.js'
export { BoundedQueue, forEachBounded, type QueueOptions } from './bounded-queue.js'
export {
  type Digest,
  equalBytes,
  type FileId,
  GIB,
  hex,
  KIB,
  MIB,
  latin1,
  nameFromBytes,
  nameFromText,
  nameToBytes,
  nameToText,
  type PlainName,
  type SecretKey,
} from './bytes.js'
export { type Clock, systemClock } from './clock.js'
export { type Deferred, deferred } from './deferred.js'
export {
  DRIVE_ERRORS,
  DriveError,
  type DriveErrorCode,
  fromWire,
  diskFailure,
  isDriveError,
  type Retry,
  toWire,
  type WireError,
} from './errors.js'
export { createLog, type Log, type LogFields, type LogLevel, silentLog } from './log.js'
export { lowerBound } from './lower-bound.js'
export { jsonLine, printable, printableLines } from './printable.js'
export { type Random, seededRandom, systemRandom } from './random.js'
export { shellWord } from './shell-word.js'
export { packageVersion } from './version.js'
