/** The control interface: what the daemon offers, serving it, and calling it. Loading this module is cheap. */
export * from './wire.js'
export * from './client.js'
export * from './server.js'
export * from './http-status.js'
