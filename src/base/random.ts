import { randomFillSync } from 'node:crypto'

/** The only home of randomness; keys and identifiers come from here, tests pass a seeded one. */
export interface Random {
  /** `length` fresh bytes, 0 … 65,536, from the operating system's generator in production. */
  bytes(length: number): Uint8Array
}

export const systemRandom: Random = {
  bytes: (length) => randomFillSync(new Uint8Array(length)),
}

/**
 * A repeatable generator for tests and simulations (xorshift32); never for keys of a real drive.
 * @param seed any integer except 0; print it in every random test.
 */
export function seededRandom(seed: number): Random & { next(below: number): number } {
  let state = seed | 0 || 1
  return {
    bytes(length) {
      const out = new Uint8Array(length)
      let at = state
      for (let i = 0; i < length; i++) out[i] = at = step(at)
      state = at
      return out
    },
    next: (below) => ((state = step(state)) >>> 0) % below,
  }
}

/** The state is a signed 32-bit integer: V8 allocates an object for every number above 2^31. */
function step(state: number): number {
  state ^= state << 13
  state ^= state >>> 17
  return state ^ (state << 5)
}
