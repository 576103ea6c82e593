/** For tests that need a real Kubo: declared by `testWithKubo`, started by `requireKubo`. */
import ava, { type ExecutionContext, type TestFn } from 'ava'
import { canHaveKubo } from './build.js'
import { startKubo, type KuboDaemon, type KuboOptions } from './daemon.js'

/** `ava.serial` if Kubo is built or can be built, and in CI; otherwise `ava.serial.skip`, which the report counts. */
export const testWithKubo: TestFn | TestFn['skip'] =
  canHaveKubo() || process.env['CI'] !== undefined ? ava.serial : ava.serial.skip

/** A real daemon that ends with the test. Fails with the reason if Kubo cannot be built or started. */
export async function requireKubo(t: ExecutionContext, options?: KuboOptions): Promise<KuboDaemon> {
  t.timeout(900_000, 'building or starting Kubo')
  const daemon = await startKubo(options)
  t.teardown(() => daemon.stop())
  t.timeout(10 * 60_000)
  return daemon
}
