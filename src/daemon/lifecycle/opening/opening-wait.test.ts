import test, { type ExecutionContext } from 'ava'
import { DriveError, MIB, silentLog } from '../../../base/index.js'
import { OpeningWait } from './opening-wait.js'

const full = (): Promise<never> => Promise.reject(new DriveError('NO_SPACE', 'The disk is full.'))

const held = { directory: '/mount', readOnly: false, allowOther: false }

/** A disk that has space from the given look on. */
function waiting(looks: number): OpeningWait {
  let looked = 0
  return new OpeningWait({
    directory: '/home',
    log: silentLog,
    held: () => held,
    hasDied: () => false,
    freeBytes: () => Promise.resolve(++looked < looks ? 0 : MIB),
    wait: () => new Promise((resolve) => setImmediate(resolve)),
  })
}

test('S-148 an opening on a full disk waits while a mount is held, and is done again when there is space', async (t: ExecutionContext) => {
  const space = waiting(5)
  let tries = 0
  const opened = space.insist(async () => (++tries < 3 ? full() : 'a drive'))
  t.is(space.problem, undefined)
  await space.begun
  t.regex(
    space.problem?.message ?? '',
    /The mount at \/mount waits for space: the disk of \/home is full.*unmount --force/,
  )
  t.is(await opened, 'a drive')
  t.is(tries, 3)
  t.is(space.problem, undefined)
})

test('S-148 an opening that waits for space can be given up', async (t: ExecutionContext) => {
  const space = waiting(Infinity)
  const opened = space.insist(full)
  await space.begun
  space.giveUp()
  await t.throwsAsync(opened, { code: 'NO_SPACE' })
  t.is(space.problem, undefined)
})

test('S-148 an opening does not wait if no mount is held, or for another failure', async (t: ExecutionContext) => {
  let isHeld = false
  const space = new OpeningWait({
    directory: '/home',
    log: silentLog,
    held: () => (isHeld ? held : undefined),
    hasDied: () => false,
  })
  await t.throwsAsync(space.insist(full), { code: 'NO_SPACE' })
  isHeld = true
  const other = (): Promise<never> => Promise.reject(new DriveError('CORRUPT', 'It is damaged.'))
  await t.throwsAsync(space.insist(other), { code: 'CORRUPT' })
})

test('S-134 S-022 a held mount waits longer and longer after deaths of the drive thread, and is not given up', async (t: ExecutionContext) => {
  const pauses: number[] = []
  const waiting = new OpeningWait({
    directory: '/home',
    log: silentLog,
    held: () => held,
    hasDied: () => true,
    wait: (ms) => new Promise((resolve) => setImmediate(() => resolve(void pauses.push(ms)))),
  })
  const death = new DriveError('INTERNAL', 'The drive thread ended.')
  let tries = 0
  const opened = waiting.insist(async () => {
    t.is(waiting.problem?.code, 'BUSY')
    if (++tries < 6) throw death
    return 'a drive'
  }, death)
  t.is(await opened, 'a drive')
  t.deepEqual(pauses, [5_000, 10_000, 20_000, 40_000, 60_000, 60_000])
  t.is(waiting.problem, undefined)
})
