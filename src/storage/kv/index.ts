/** LMDB environments with a write-behind overlay, sealed tables, and snapshots of them. */
export type { Environment, EnvironmentReader, RangeOptions, Snapshot, Table, TableOptions } from './contract.js'
export { openEnvironmentReader } from './environment-reader.js'
export { type CommitHook, type EnvironmentOptions, openEnvironment } from './environment.js'
export { be48, be64, readBe48, readBe64, writeBe64 } from './key-integers.js'
export { clearTables, keysIn, pagesOf, rowsIn } from './pages.js'
export type { RowSealer } from './record-sealer.js'
export { shrinkEnvironment, type ShrinkOptions } from './shrink-environment.js'
export { hasRows, requireKnownFormat } from './environment-format.js'
