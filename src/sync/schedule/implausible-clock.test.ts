import test from 'ava'
import { systemClock } from '../../base/index.js'
import { World } from '../../../test/support/sync/world.js'
import { openNameRecord } from '../../dag/index.js'
import { DriveNames } from '../heads/drive-names.js'
import { implausibleClock } from './implausible-clock.js'

test('S-034 a version made while the clock says 1970 has records that no node considers expired, and status reports the clock', async (t) => {
  const world = await World.open(450)
  t.teardown(() => world.close())
  const device = await world.firstDevice()
  const clock = { nowMs: () => 5000, monotonicMs: () => systemClock.monotonicMs() }
  const sync = await device.start({ clock: { ...systemClock, ...clock } })
  await sync.syncNow()
  const names = new DriveNames(world.keys)
  for (const name of [names.drive, names.device(0)]) {
    const { validUntilMs } = openNameRecord(name, await world.node.getName(name))
    t.true(validUntilMs > Date.UTC(2150, 0, 1))
  }
  t.regex(sync.status().warnings.join(), /clock of this machine says 1970-01-01/)
  const right = await device.start()
  await right.syncNow()
  t.deepEqual(right.status().warnings, [])
})

test('S-034 clocks far ahead are reported as well', (t) => {
  t.regex(implausibleClock(Date.UTC(2106, 1, 7)) ?? '', /2106-02-07/)
  t.regex(implausibleClock(1e300) ?? '', /cannot be right/)
  t.is(implausibleClock(systemClock.nowMs()), undefined)
})
