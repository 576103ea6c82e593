/** The shared model of files: attributes, types, chunks. */
export {
  AttributeRecord,
  bareAttributes,
  type InodeAttributes,
  type Mutable,
  readStat,
  type StatFields,
  type StatKind,
  StatRecord,
  type Timestamp,
  writeStat,
} from './attributes.js'
export { INLINE_BYTES, type FileChunk, type TreeRef } from './content.js'
export { isDirectory, isFile, ROOT_INO, S_IFMT, TYPE } from './file-type.js'
export { MOST_XATTR_BYTES, xattrBytes } from './xattr-bytes.js'
