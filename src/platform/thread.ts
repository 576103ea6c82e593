/** The part of this module that pipeline threads load: starting one costs half as much without the rest. */
export { allocatePages } from './native-file.js'
export { nativeSeal, type NativeSeal } from './native-seal.js'
