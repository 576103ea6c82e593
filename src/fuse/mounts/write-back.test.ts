import test, { type ExecutionContext } from 'ava'
import { DriveError } from '../../base/index.js'
import { writeBack, type WriteBackParts } from './write-back.js'

test('S-179 S-140 a write-back fails with the error of a write that failed meanwhile, and not with an earlier one', async (t: ExecutionContext) => {
  const full = new DriveError('NO_SPACE', 'The disk is full.')
  const writes: WriteBackParts['writes'] = { lastFailure: new DriveError('QUOTA', 'A program was told.') }
  const parts = { writes, openFiles: () => [5, 6] }
  const dropped: number[] = []
  const dropPages = (ino: number): Promise<void> => Promise.resolve(void dropped.push(ino))
  await writeBack({ ...parts, dropPages }, undefined)
  t.deepEqual(dropped, [5, 6])
  const refuse = (ino: number): Promise<void> => {
    if (ino === 5) writes.lastFailure = full
    return Promise.resolve()
  }
  await t.throwsAsync(writeBack({ ...parts, dropPages: refuse }, undefined), { is: full })
})
