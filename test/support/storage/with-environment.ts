/** An environment in a temporary directory. */
import { silentLog } from '../../../src/base/index.js'
import { openEnvironment, type CommitHook } from '../../../src/storage/kv/environment.js'
import type { Environment } from '../../../src/storage/kv/contract.js'
import { scratchDirectory, testSealer } from './storage.js'

export const text = (value: Uint8Array | undefined): string | undefined =>
  value && Buffer.from(value).toString('latin1')

export const bytes = (value: string): Buffer => Buffer.from(value, 'latin1')

export async function withEnvironment(
  use: (environment: Environment, path: string) => Promise<void>,
  hook?: CommitHook,
): Promise<void> {
  const scratch = scratchDirectory()
  const { path } = scratch
  const environment = openEnvironment({ path, sealer: testSealer(), log: silentLog, ...(hook && { commitHook: hook }) })
  try {
    await use(environment, path)
    await environment.close()
  } finally {
    scratch.remove()
  }
}
