import { spawn } from 'node:child_process'
import test from 'ava'
import { hasPendingKill, masksHaveKill } from './pending-kill.js'

const STATUS = 'Name:\tx\nSigQ:\t3/9\nSigPnd:\t0000000000000000\nShdPnd:\t0000000000000000\nSigBlk:\t0000000000000100\n'

test('S-056 SIGKILL pending for the thread or its process is detected, other signals and masks are ignored', (t) => {
  t.false(masksHaveKill(STATUS))
  t.true(masksHaveKill(STATUS.replace('SigPnd:\t0000000000000000', 'SigPnd:\t0000000000000100')))
  t.true(masksHaveKill(STATUS.replace('ShdPnd:\t0000000000000000', 'ShdPnd:\t0000000000004500')))
  t.false(masksHaveKill(STATUS.replace('ShdPnd:\t0000000000000000', 'ShdPnd:\t00000000000fe2ff')))
})

test('S-056 a caller whose signals cannot be read counts as alive', async (t) => {
  t.false(hasPendingKill(0))
  t.false(hasPendingKill(process.pid))
  const ended = spawn('true')
  await new Promise((resolve) => ended.on('close', resolve))
  t.false(hasPendingKill(ended.pid!))
})
