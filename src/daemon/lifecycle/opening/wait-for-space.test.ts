import test, { type ExecutionContext } from 'ava'
import { DriveError, MIB, silentLog } from '../../../base/index.js'
import { SpaceWait } from './wait-for-space.js'

const full = (): Promise<never> => Promise.reject(new DriveError('NO_SPACE', 'The disk is full.'))

const held = { directory: '/mount', readOnly: false, allowOther: false }

/** A disk that has space from the given look on. */
function waiting(looks: number): SpaceWait {
  let looked = 0
  return new SpaceWait({
    directory: '/home',
    log: silentLog,
    held: () => held,
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
  const space = new SpaceWait({ directory: '/home', log: silentLog, held: () => (isHeld ? held : undefined) })
  await t.throwsAsync(space.insist(full), { code: 'NO_SPACE' })
  isHeld = true
  const other = (): Promise<never> => Promise.reject(new DriveError('CORRUPT', 'It is damaged.'))
  await t.throwsAsync(space.insist(other), { code: 'CORRUPT' })
})
