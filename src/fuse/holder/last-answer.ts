/** The answer to the newest logged operation: the only one the kernel may not have got when its server was killed. */
import type { Request } from '../protocol/request.js'

export interface LastAnswer {
  /** The halves of the request's identity; bit 63 is not part of it. */
  readonly uniqueLow: number
  readonly uniqueHigh: number
  /** As it was sent, with the request's identity in it. */
  readonly reply: Buffer
}

/** The kernel sends the request again that this answer belongs to. */
export function answers(
  last: LastAnswer,
  { uniqueLow, uniqueHigh }: Pick<Request, 'uniqueLow' | 'uniqueHigh'>,
): boolean {
  return uniqueLow === last.uniqueLow && (uniqueHigh & 0x7fff_ffff) === last.uniqueHigh
}
