export * from './tree.js'
export * from './drive-port.js'
