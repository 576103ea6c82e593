import test from 'ava'
import { publishForged } from '../../../test/support/sync/forged-tree.js'
import { World, type Device } from '../../../test/support/sync/world.js'
import { readMap } from '../../dag/index.js'
import { rowsIn, type Environment, type Table } from '../../storage/kv/index.js'
import { SyncState } from '../state/sync-state.js'
import { openExisting } from './open-existing.js'

const BAD = Uint8Array.of(0x81, 2)

/** A device that took over a version with these undecodable entries in the root directory. */
async function withUndecodable(w: World, names: readonly string[], wrap?: (queue: Environment) => Environment) {
  const device = await w.firstDevice()
  await device.drive.write('/mine', w.random.bytes(2000))
  await (await device.start()).syncNow()
  await device.stop()
  await publishForged(w, 1, (rows) => names.forEach((name) => rows.set(name, BAD)))
  const queue = wrap?.(device.queue) ?? device.queue
  await device.takeOver({ queue })
  return { device, queue }
}

async function rootRows(w: World): Promise<Map<string, Uint8Array>> {
  const { content } = (await openExisting(w)).version.commit.root
  const rows = new Map<string, Uint8Array>()
  if (content.kind === 'tree')
    for await (const [key, value] of readMap(content.ref, w.fetch))
      rows.set(Buffer.from(key).toString(), Uint8Array.from(value))
  return rows
}

test('S-180 no key of the upload queue has the name of an undecodable entry, kept or replaced', async (t) => {
  const w = await World.open(775)
  t.teardown(() => w.close())
  const keys: string[] = []
  const recorded = (queue: Environment): Environment => ({
    ...queue,
    path: queue.path,
    get pendingCount() {
      return queue.pendingCount
    },
    get pendingBytes() {
      return queue.pendingBytes
    },
    commit: () => queue.commit(),
    close: () => queue.close(),
    table: (name, options) => {
      const table: Table = queue.table(name, options)
      const note = (key: Uint8Array): void => void keys.push(Buffer.from(key).toString('latin1'))
      return {
        ...table,
        get committedCount() {
          return table.committedCount
        },
        put: (key, value) => {
          note(key)
          table.put(key, value)
        },
        give: (key, value) => {
          note(key)
          table.give(key, value)
        },
      }
    },
  })
  const { device, queue } = await withUndecodable(w, ['a secret name', 'another one'], recorded)
  const sync = await device.start({ queue })
  await device.drive.write('/another one', w.random.bytes(1000))
  await sync.syncNow()
  const { tables } = new SyncState(device.queue)
  t.is([...rowsIn(tables.unreadable)].length, 1)
  t.deepEqual((await rootRows(w)).get('a secret name'), BAD)
  t.true(keys.length > 20)
  t.deepEqual(
    keys.filter((key) => /secret|another/.test(key)),
    [],
  )
})

test('S-180 entries that an earlier program kept by name are in the next version', async (t) => {
  const w = await World.open(776)
  t.teardown(() => w.close())
  const names = ['first', 'second', 'z']
  const { device } = await withUndecodable(w, names)
  await (await device.start()).syncNow()
  await device.drive.dump()
  await device.stop()
  await asBefore(device)
  const sync = await device.start()
  await device.drive.write('/new', w.random.bytes(1000))
  await sync.syncNow()
  const rows = await rootRows(w)
  for (const name of names) t.deepEqual(rows.get(name), BAD, name)
  const { tables } = new SyncState(device.queue)
  t.is([...rowsIn(tables.unreadableByName)].length, 0)
  t.is([...rowsIn(tables.unreadable)].length, names.length)
})

/** Changes the rows to those of a program that had the names in the keys. */
async function asBefore({ queue }: Device): Promise<void> {
  const { tables } = new SyncState(queue)
  for (const [key, value] of [...rowsIn(tables.unreadable)]) {
    const length = value[0]!
    tables.unreadableByName.put(
      Buffer.concat([key.subarray(0, 32), value.subarray(1, 1 + length)]),
      value.slice(1 + length),
    )
    tables.unreadable.delete(key)
  }
  tables.state.delete(Buffer.from('nameSecret'))
  await queue.commit()
}
