/** The tree by path and by file id, with events: for the control API, Puter, WebDAV and the folder mirror. */
export * from './client.js'
export { openFiles, type FilesOptions, type FilesSession } from './open-files.js'
export { findPath, findPlace } from './tree-paths.js'
