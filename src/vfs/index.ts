/** The POSIX tree over local storage. */
export { type FreshRoot, openVfs, type Vfs, type VfsOptions } from './open-vfs.js'
export { type UnnamedFiles } from './namespace/unnamed.js'
export { type Change, type ChangeListener } from './inodes/changes.js'
export {
  type AttributeChange,
  type Attributes,
  type AllocatedRange,
  type Caller,
  type DirectoryListing,
  type DirectoryEntry,
  FALLOCATE,
  type FilesystemStatistics,
  type Identities,
  type Invalidation,
  type Maybe,
  type NamePlace,
  OPEN,
  type Opened,
  RENAME,
  ROOT_INO,
  SEEK,
  type Tree,
  XATTR,
} from './tree.js'
export { type Highest, type KeptBuffers, type KeptPlace, type Redo } from './redo-contract.js'
export { SLOT_BYTES } from './staging/slot.js'
