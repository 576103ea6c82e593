/** The part of this module that pipeline threads load. Without the rest, a thread starts in half the time. */
export { allocatePages } from './native-file.js'
export { nativeSeal, type NativeSeal } from './native-seal.js'
