import test from 'ava'
import { caller, list, name, scratchDrive } from '../../../test/support/vfs/drive.js'
import { ROOT_INO } from '../tree.js'
import { withDrive } from '../../../test/support/vfs/with-drive.js'

test('listings continue from any cookie while entries are added and removed (R-01)', async (t) => {
  await withDrive(async ({ tree }) => {
    for (let i = 0; i < 100; i++) await tree.makeNode(ROOT_INO, name(`f${String(i)}`), 0o100644, 0, caller)
    const { handle } = await tree.openDirectory(ROOT_INO, caller)
    const seen: string[] = []
    let cookie = 0
    await tree.readDirectory(
      ROOT_INO,
      handle,
      {
        cookie: 0,
        withAttributes: false,
        visit: (entry) => {
          if (seen.length === 50) return false
          seen.push(entry.name)
          cookie = entry.cookie
          return true
        },
      },
      caller,
    )
    for (let i = 40; i < 60; i++) await tree.unlink(ROOT_INO, name(`f${String(i)}`), caller)
    await tree.readDirectory(
      ROOT_INO,
      handle,
      {
        cookie,
        withAttributes: true,
        visit: (entry) => {
          t.is(entry.attributes!.ino, entry.ino)
          seen.push(entry.name)
          return true
        },
      },
      caller,
    )
    t.deepEqual(seen, [
      ...Array.from({ length: 50 }, (_, i) => `f${String(i)}`),
      ...Array.from({ length: 40 }, (_, i) => `f${String(i + 60)}`),
    ])
    tree.releaseDirectory(ROOT_INO, handle)
  })
})

test('10,000 entries list with attributes, warm and after a restart; the time is logged (R-73)', async (t) => {
  const scratch = scratchDrive()
  let drive = await scratch.open()
  const directory = await drive.tree.makeDirectory(ROOT_INO, name('d'), 0o755, caller)
  let start = performance.now()
  for (let i = 0; i < 10_000; i++)
    await drive.tree.makeNode(directory.ino, name(`file-${String(i)}`), 0o100644, 0, caller)
  t.log(`create: ${((performance.now() - start) / 10).toFixed(1)} us each`)
  await drive.shut()
  drive = await scratch.open()
  for (const what of ['cold', 'warm']) {
    start = performance.now()
    const entries = await list(drive.tree, directory.ino, true)
    const took = performance.now() - start
    t.log(`${what} listing: ${took.toFixed(0)} ms`)
    t.is(entries.length, 10_000)
  }
  await drive.shut()
  scratch.remove()
})
