/** The part of this module that pipeline threads load. Without the rest, a thread starts in half the time. */
export { hkdf } from './hkdf.js'
