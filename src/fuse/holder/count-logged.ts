/** How many operations a later daemon would find in the log. */
import { HEADER, OP } from '../protocol/protocol.js'
import { RedoLog } from './redo-log.js'
import type { SharedState } from './shared-state.js'

/** Number of operations in the log. */
export function countLogged(state: SharedState): number {
  let count = 0
  for (const { request } of new RedoLog(state).entries()) if (request.readUInt32LE(HEADER.opcode) !== OP.FORGET) count++
  return count
}
