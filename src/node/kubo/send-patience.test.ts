import test from 'ava'
import { MIB, sleep } from '../../base/index.js'
import { SendPatience } from './send-patience.js'

test('S-047 an upload that the node takes too slowly is given up; what this side needs itself does not count', async (t) => {
  let given = 0
  const patience = new SendPatience(500, () => given++)
  await patience.during(sleep(1), 0)
  await sleep(600) // making the next block
  await patience.during(sleep(1), 0)
  t.is(given, 0)
  await patience.during(sleep(1000), 0)
  t.is(given, 1)
})

test('S-047 every byte the node takes buys it time', async (t) => {
  let given = 0
  const patience = new SendPatience(1, () => given++)
  for (let at = 0; at < 5; at++) await patience.during(sleep(20), MIB)
  t.is(given, 0)
})
