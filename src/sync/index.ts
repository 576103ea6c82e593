/** Publishing a drive to a node and opening it from there. */
export * from './contract.js'
export { openSync } from './sync.js'
export { findDrive, openExisting, type FindOptions } from './open-existing.js'
export { inodeOf } from './entry-of.js'
export { beginTakeOver, finishTakeOver, isTakingOver, type TakeOverOptions } from './take-over.js'
