/** Local storage: sealed LMDB environments, records, the block cache and its segments. */
export * from './contract.js'
export * from './keys.js'
export { encodeInode, decodeInode } from './inode-record.js'
export * from './row-records.js'
export * from './drive-port.js'
export * from './remote.js'
