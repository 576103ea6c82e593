/** The shared model of files: attributes, types, chunks. */
export {
  inodeAttributesOf,
  bareAttributes,
  type InodeAttributes,
  type StatFields,
  type Timestamp,
} from './attributes.js'
export { INLINE_BYTES, type FileChunk, type TreeRef } from './content.js'
export { isDirectory, isFile, ROOT_INO, S_IFMT, TYPE } from './file-type.js'
