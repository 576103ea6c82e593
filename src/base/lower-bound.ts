/** Binary search over anything that is sorted. */

/** The first index in 0 … count for which `isAtOrPast` holds; it holds for all later ones too. */
export function lowerBound(count: number, isAtOrPast: (index: number) => boolean): number {
  let low = 0
  let high = count
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isAtOrPast(middle)) high = middle
    else low = middle + 1
  }
  return low
}
