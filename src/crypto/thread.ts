/** The part of this module that pipeline threads load: starting one costs half as much without the rest. */
export { hkdf } from './hkdf.js'
