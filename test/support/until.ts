/** Waiting in tests: for conditions, never for a time in which something should have happened. */

/** Longer than any machine needs; a test that would wait for ever ends by it. */
const PATIENCE_MS = 150_000

/** Waits until the condition holds. @returns whether it holds; false only after minutes */
export async function until(holds: () => boolean | Promise<boolean>, everyMs = 20): Promise<boolean> {
  const end = performance.now() + PATIENCE_MS
  while (!(await holds())) {
    if (performance.now() > end) return false
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
  return true
}
