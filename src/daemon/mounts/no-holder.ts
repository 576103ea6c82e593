/** The holder of a home without one. */
import type { Holder } from './contract.js'

/** Used if the holder is disabled or was not built. */
export const NO_HOLDER: Holder = {
  held: undefined,
  logged: 0,
  lostSinceMs: undefined,
  take: () => undefined,
  takeKey: () => undefined,
  prepare: () => Promise.resolve(undefined),
  keep: () => undefined,
  drop: () => undefined,
  close: () => Promise.resolve(),
}
