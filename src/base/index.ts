/** What every module may use: errors, time, randomness, logging, cancellation, bytes. Imports nothing of ours. */
export * from './errors.js'
export * from './clock.js'
export * from './random.js'
export * from './log.js'
export * from './abort.js'
export * from './bytes.js'
