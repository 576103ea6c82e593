import test, { type ExecutionContext } from 'ava'
import type { Digest } from '../../base/index.js'
import { cidOf, driveSequence, makeNameRecord, sealCommit, versionRootBlock } from '../../dag/index.js'
import { openExisting } from '../fetch/open-existing.js'
import { World, type Device } from '../../../test/support/sync/world.js'
import { DriveNames } from './drive-names.js'

let seed = 700

async function published(t: ExecutionContext): Promise<{ w: World; device: Device }> {
  const w = await World.open(seed++)
  t.teardown(() => w.close())
  const device = await w.firstDevice()
  await device.drive.write('/mine', w.random.bytes(20_000))
  await (await device.start()).syncNow()
  return { w, device }
}

/** Forgeries that a lost device can make, because it has the keys. */
async function forge(
  w: World,
  { height, parents, sequence }: { height: number; parents: readonly Digest[]; sequence: number },
): Promise<void> {
  const { version } = await openExisting(w)
  const { forest } = version.commit
  const sealed = sealCommit({ ...version.commit, height, parents, deviceSlot: 9, deviceName: 'lost' }, w.keys, w.random)
  const root = versionRootBlock({ commit: sealed.digest, forest })
  const blocks = [
    { cid: cidOf(sealed.digest, 'raw'), bytes: sealed.bytes },
    { cid: cidOf(root.digest, 'dag-pb'), bytes: root.bytes },
  ]
  await w.node.importBlocks(blocks, { roots: [] })
  await nameDrive(w, root.digest, sequence)
}

async function nameDrive(w: World, root: Digest, sequence: number): Promise<void> {
  const record = { cid: cidOf(root, 'dag-pb'), sequence, validUntilMs: Date.UTC(2200, 0, 1), ttlMs: 1000 }
  await w.node.putName(new DriveNames(w.keys).drive, makeNameRecord(record, w.keys.driveNameSeed))
}

const HUGE = 2 ** 44

const FORGERIES: Readonly<Record<string, (w: World, root: Digest) => Promise<void>>> = {
  'a height that is not one above its parents': (w, root) =>
    forge(w, { height: HUGE, parents: [root], sequence: driveSequence(HUGE, 9) }),
  'a height whose parents are all missing': (w) =>
    forge(w, { height: HUGE, parents: [w.random.bytes(32)], sequence: driveSequence(HUGE, 9) }),
  'a sequence that differs from its commit': (w, root) =>
    forge(w, { height: 2, parents: [root], sequence: driveSequence(HUGE, 9) }),
  'a huge sequence for a version of ours': (w, root) => nameDrive(w, root, driveSequence(HUGE, 0)),
  'a missing version': (w) => nameDrive(w, w.random.bytes(32), driveSequence(HUGE, 9)),
}

for (const [what, forgery] of Object.entries(FORGERIES)) {
  test(`S-033 a drive name with ${what} is ignored and reported: publishing, taking over and opening use the device heads`, async (t) => {
    const { w, device } = await published(t)
    const other = await w.nextDevice()
    await (await other.start()).syncNow()
    await other.stop()
    await forgery(w, (await openExisting(w)).version.root)

    await device.drive.write('/after', w.random.bytes(20_000))
    const sync = await device.start()
    await sync.syncNow()
    t.is(sync.status().published?.height, 2)
    t.regex(sync.status().warnings.join(), /name of the drive .* ignored/)
    t.is(device.drive.onlyCopies, 0)
    await w.node.collectGarbage()
    t.deepEqual(await w.seenElsewhere(), await device.drive.dump(), 'a new device uses the device heads')

    t.true(await other.takeOver(), 'an old device fast-forwards')
    const otherSync = await other.start()
    await other.drive.write('/from the other', w.random.bytes(1000))
    await otherSync.syncNow()
    t.deepEqual(await w.seenElsewhere(), await other.drive.dump())
    t.is(otherSync.status().published?.height, 3)
  })
}
