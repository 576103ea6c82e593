import test, { type ExecutionContext } from 'ava'
import { DriveError, silentLog } from '../../../base/index.js'
import { canForget, stageBeforeEnd, type Staged } from './stage-before-end.js'

/** A drive whose disk is full for the first `failures` tries. */
function onFullDisk(failures: number): Staged & { tries: number } {
  return {
    tries: 0,
    writeBack: () => Promise.resolve(),
    flush() {
      this.tries++
      return this.tries > failures ? Promise.resolve() : Promise.reject(new DriveError('NO_SPACE', 'The disk is full.'))
    },
    counts: () => Promise.resolve({ held: { files: 3, bytes: 500 } } as never),
    takingOver: undefined,
  }
}

const noWait = (): Promise<void> => Promise.resolve()

test('S-140 the end of the daemon waits for space, and says what is lost if there is none in a minute', async (t: ExecutionContext) => {
  const said: string[] = []
  const soonFree = onFullDisk(5)
  t.is(await stageBeforeEnd(soonFree, silentLog, { onWait: (reason) => said.push(reason) }, noWait), undefined)
  t.is(soonFree.tries, 6)
  t.is(said.length, 1)
  t.regex(said[0]!, /is ending, and waits.*The disk is full/)
  const full = onFullDisk(Infinity)
  t.regex((await stageBeforeEnd(full, silentLog, undefined, noWait)) ?? '', /3 files with 500 bytes.*The disk is full/)
  t.is(full.tries, 60)
})

test('S-140 the end of the daemon waits no longer than a minute, however slow the disk is', async (t: ExecutionContext) => {
  const full = onFullDisk(Infinity)
  const clock = { monotonicMs: () => full.tries * 4000 }
  t.regex((await stageBeforeEnd(full, silentLog, undefined, noWait, clock)) ?? '', /The disk is full/)
  t.is(full.tries, 15)
})

test('S-140 a daemon with changes that cannot be staged does not end because it is idle', async (t: ExecutionContext) => {
  const drive = onFullDisk(1)
  t.false(await canForget(drive))
  t.true(await canForget(drive))
  t.true(await canForget(undefined))
})

test('S-140 S-179 the end of the daemon asks for dirty pages first; if one is refused, it waits and tells what is lost', async (t: ExecutionContext) => {
  const calls: string[] = []
  const lost: string[] = []
  const said: string[] = []
  let refusals = 2
  const drive: Staged = {
    ...onFullDisk(0),
    writeBack() {
      calls.push('write back')
      return refusals-- > 0 ? Promise.reject(new DriveError('NO_SPACE', 'The disk is full.')) : Promise.resolve()
    },
    flush: () => Promise.resolve(void calls.push('flush')),
  }
  const told = { onWait: (reason: string) => said.push(reason), onLost: (what: string) => lost.push(what) }
  t.is(await stageBeforeEnd(drive, silentLog, told, noWait), undefined)
  t.deepEqual(calls, ['write back', 'write back', 'write back', 'flush'])
  t.is(said.length, 1)
  t.is(lost.length, 1)
  t.regex(lost[0]!, /mappings.*The disk is full/)
})
