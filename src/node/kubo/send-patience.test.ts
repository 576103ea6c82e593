import test from 'ava'
import { MIB, sleep } from '../../base/index.js'
import { SendPatience } from './send-patience.js'

test('S-047 an upload that the node accepts too slowly is given up; time this side needs does not count', async (t) => {
  let given = 0
  const patience = new SendPatience(500, () => given++)
  await patience.during(sleep(1), 0)
  await sleep(600) // making the next block
  await patience.during(sleep(1), 0)
  t.is(given, 0)
  await patience.during(sleep(1000), 0)
  t.is(given, 1)
})

test('S-047 every byte the node accepts extends its time budget', async (t) => {
  let given = 0
  const patience = new SendPatience(1, () => given++)
  for (let at = 0; at < 5; at++) await patience.during(sleep(20), MIB)
  t.is(given, 0)
})
