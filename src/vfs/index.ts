export * from './tree.js'
export * from './drive-port.js'
export * from './remote.js'
