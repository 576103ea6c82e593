import test, { type ExecutionContext } from 'ava'
import { deferred, DriveError, silentLog } from '../../base/index.js'
import { TakingOver } from './taking-over.js'

const away = (): Promise<never> => Promise.reject(new DriveError('OFFLINE', 'The node is away.'))

test('S-121 a request of a replay is repeated until the node answers, and callers hear the reason meanwhile', async (t: ExecutionContext) => {
  const taking = new TakingOver('/mount', silentLog)
  const isBack = deferred<void>()
  let tries = 0
  const request = async (): Promise<string> => (++tries < 3 ? away() : (await isBack.promise, 'bytes'))
  const asked: string[] = []
  taking.prepare(async () => void asked.push(await taking.insist(request)))
  await taking.begin()
  t.true(taking.isLate)
  t.false(taking.isOver)
  t.regex(taking.warning ?? '', /\/mount.*The node is away/)
  await t.throwsAsync(taking.settled(), { code: 'BUSY' })
  isBack.resolve()
  await taking.over
  t.deepEqual(asked, ['bytes'])
  t.is(taking.warning, undefined)
  await t.throwsAsync(taking.insist(away), { code: 'OFFLINE' })
})

test('S-121 requests of a replay that is given up fail', async (t: ExecutionContext) => {
  const taking = new TakingOver('/mount', silentLog)
  const failed: unknown[] = []
  taking.prepare(() => taking.insist(away).catch((error: unknown) => void failed.push(error)))
  await taking.begin()
  await taking.giveUp()
  t.like(failed, [{ code: 'ABORTED' }])
})

test('S-174 a replay that needs space waits, says so, and ends on the word of the user', async (t: ExecutionContext) => {
  const taking = new TakingOver('/mount', silentLog)
  const answers: boolean[] = []
  taking.prepare(async () => {
    do answers.push(await taking.untilSpace())
    while (answers.at(-1) === true)
  })
  await taking.begin()
  t.true(taking.isLate)
  t.regex(taking.warning ?? '', /\/mount waits.*needs space: the disk of the home is full.*unmount --force/)
  await t.throwsAsync(taking.settled(), { code: 'BUSY' })
  await taking.giveUp()
  t.is(answers.at(-1), false)
})

test('S-120 a take-over that fails at once fails the opening of the drive', async (t: ExecutionContext) => {
  const taking = new TakingOver('/mount', silentLog)
  taking.prepare(() => Promise.reject(new DriveError('MOUNT_FAILED', 'The mount cannot continue.')))
  await t.throwsAsync(taking.begin(), { code: 'MOUNT_FAILED' })
})
