/**
 * The limits of each command: silence, time, bytes and the length of a line. They do not depend on the node, so a
 * hostile node can neither block a call for ever nor fill the memory.
 */
import { KIB, MIB } from '../../base/index.js'
import type { NodeTimeouts } from '../open-options.js'

/** The Kubo commands in use. */
export type Command =
  | 'version'
  | 'id'
  | 'repo/stat'
  | 'repo/gc'
  | 'block/get'
  | 'block/stat'
  | 'dag/import'
  | 'pin/add'
  | 'pin/update'
  | 'pin/rm'
  | 'pin/ls'
  | 'name/put'
  | 'name/get'

export interface CallLimits {
  /** The call fails with TIMEOUT after this long without a byte. */
  readonly idleMs: number
  /** Time limit of the whole call, also with progress. For a streamed upload it starts at the end of the upload. */
  readonly totalMs: number
  /** Maximum bytes of the response; more is NODE_ERROR. */
  readonly answerBytes: number
  /** Maximum lines of the response, also empty ones: each costs far more than its bytes. More is NODE_ERROR. */
  readonly answerLines: number
}

/** An upload may block this side for `workMs`, plus the time that its bytes take at this rate. */
export const LEAST_UPLOAD_BYTES_PER_SECOND = 2 * KIB
/** Maximum length of one response line: a pin's name has at most 255 bytes. */
export const LINE_BYTES = 16 * KIB
/** Kubo reports the progress of a pin twice a second, and of an import in one line. */
const LINES = 100_000
/** One for each removed block; a repository of a terabyte has some four million. */
const GARBAGE_LINES = 20_000_000
/** Interim responses (1xx) before the response. A proxy may send one every few seconds while it waits. */
export const MOST_INTERIM = 1000
/** Kubo refuses larger blocks. Ours have at most 1 MiB, and a commit some bytes more. */
const BLOCK_BYTES = 2 * MIB
/** As many lines with CIDs and names of the greatest length. */
const LIST_BYTES = 64 * MIB
/** A block of 1 MiB at 2 KiB/s still comes through. */
const BLOCK_PATIENCE = 5
/** A first pin walks the whole tree, and a collection marks the whole repository. */
const WALK_PATIENCE = 30
const LIST_PATIENCE = 5

/** @param lookMs the search time that the request gives to the node */
export function limitsOf(command: Command, { idleMs, workMs }: NodeTimeouts, lookMs = 0): CallLimits {
  const limits = (): Omit<CallLimits, 'answerLines'> => {
    switch (command) {
      case 'version':
      case 'id':
      case 'repo/stat':
      case 'block/stat':
      case 'name/get':
        return { idleMs, totalMs: 2 * idleMs, answerBytes: 64 * KIB }
      case 'pin/rm':
      case 'pin/update':
      case 'name/put':
        return { idleMs: Math.max(idleMs, workMs), totalMs: idleMs + workMs, answerBytes: 64 * KIB }
      case 'block/get':
        return { idleMs, totalMs: workMs * BLOCK_PATIENCE, answerBytes: BLOCK_BYTES }
      case 'dag/import':
        return { idleMs: workMs, totalMs: workMs * BLOCK_PATIENCE, answerBytes: MIB }
      case 'pin/add':
        return { idleMs: workMs, totalMs: workMs * WALK_PATIENCE, answerBytes: 16 * MIB }
      case 'pin/ls':
        return { idleMs: workMs, totalMs: workMs * LIST_PATIENCE, answerBytes: LIST_BYTES }
      case 'repo/gc':
        return { idleMs: workMs * LIST_PATIENCE, totalMs: workMs * WALK_PATIENCE, answerBytes: 1024 * MIB }
    }
  }
  const found = limits()
  const answerLines = command === 'repo/gc' ? GARBAGE_LINES : LINES
  return { ...found, answerLines, idleMs: found.idleMs + lookMs, totalMs: found.totalMs + lookMs }
}
