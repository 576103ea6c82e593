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
  let state = seed >>> 0 || 1
  const step = (): number => {
    state ^= state << 13
    state >>>= 0
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state
  }
  return {
    bytes(length) {
      const out = new Uint8Array(length)
      for (let i = 0; i < length; i++) out[i] = step() & 0xff
      return out
    },
    next: (below) => step() % below,
  }
}
