import test, { type ExecutionContext } from 'ava'
import { sharedAbort } from './abort.js'

test.serial('many calls may listen to a shared signal without a warning of Node', async (t: ExecutionContext) => {
  const warnings: string[] = []
  const note = (warning: Error): void => void warnings.push(warning.name)
  process.on('warning', note)
  t.teardown(() => process.off('warning', note))
  const listen = ({ signal }: AbortController): void => {
    for (let i = 0; i < 20; i++) signal.addEventListener('abort', () => undefined)
  }
  listen(sharedAbort())
  await new Promise((resolve) => setImmediate(resolve))
  t.deepEqual(warnings, [])
  listen(new AbortController())
  await new Promise((resolve) => setImmediate(resolve))
  t.deepEqual(warnings, ['MaxListenersExceededWarning'])
})
