import test, { type ExecutionContext } from 'ava'
import { dropHeldMount } from './drop-held-mount.js'

for (const logged of [0, 3]) {
  test(`S-133 S-096 a held mount that is given up with ${logged} operations in its log is ${logged === 0 ? 'no' : 'recorded as a'} loss`, async (t: ExecutionContext) => {
    const calls: string[] = []
    const held = { directory: '/nowhere/mounted', readOnly: false, allowOther: false }
    const note = (what: string): Promise<void> => Promise.resolve(void calls.push(what))
    await dropHeldMount({ held, logged, drop: () => void calls.push('dropped') }, { note })
    t.is(calls.pop(), 'dropped')
    t.is(calls.length, logged === 0 ? 0 : 1)
    if (logged > 0) t.regex(calls[0]!, /up to 3 operations that are not yet on disk are lost/)
  })
}
