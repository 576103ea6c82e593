/**
 * A sweep repeats a test with a kill or a failure at each of many calls. By default it tries every n-th call, from a
 * seeded one on. DAGDRIVE_SWEEP_STEP=1 tries all of them.
 */
export function sweepStep(byDefault: number): number {
  return Number(process.env['DAGDRIVE_SWEEP_STEP'] ?? byDefault)
}
