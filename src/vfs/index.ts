/** The POSIX tree over local storage. */
export * from './tree.js'
export * from './drive-port.js'
export { openVfs, type FreshRoot, type Vfs, type VfsOptions } from './open-vfs.js'
export { diskSpace, unlimitedSpace, type SpaceGuard } from './space.js'
