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
  type Highest,
  type Identities,
  type Invalidation,
  type KeptBuffers,
  type KeptPlace,
  type Maybe,
  type NamePlace,
  OPEN,
  type Opened,
  type Redo,
  RENAME,
  ROOT_INO,
  SEEK,
  type Timestamp,
  type Tree,
  XATTR,
} from './tree.js'
export { SLOT_BYTES } from './staging/slot.js'
