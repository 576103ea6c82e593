import test from 'ava'
import { caller, createFile, find, name, root, scratchDrive, writeFile } from '../../../test/support/vfs/drive.js'
import { RENAME, ROOT_INO } from '../tree.js'
import type { Change } from './changes.js'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** One line per event. */
function lineOf(change: Change): string {
  const at = ({ parent, name: text }: { parent: number; name: string }): string => `${String(parent)}/${text}`
  if (change.kind === 'changed') return `changed ${String(change.ino)}`
  if (change.kind === 'moved') return `moved ${String(change.ino)} ${at(change.from)} ${at(change.to)}`
  return `${change.kind} ${String(change.ino)} ${at(change.at)}`
}

test('R-50 every change is reported in order: added, changed, moved with the old place, removed', async (t) => {
  const scratch = scratchDrive()
  const drive = await scratch.open()
  const { tree } = drive
  await writeFile(tree, 'before', Buffer.from('nobody listens yet'))
  const lines: string[] = []
  const end = drive.changes.listen((changes) => lines.push(...changes.map(lineOf)))
  const told = async (): Promise<string[]> => {
    await turn()
    await turn()
    return lines.splice(0)
  }

  const { ino, handle } = await createFile(tree, 'file')
  for (let i = 0; i < 5; i++) await tree.write(ino, handle, i * 100, Buffer.alloc(100, i), caller)
  t.deepEqual(
    await told(),
    [`added ${String(ino)} 1/file`, `changed ${String(ino)}`],
    'writes of one turn are one change',
  )
  await tree.setAttributes(ino, { mode: 0o600 }, undefined, caller)
  await tree.setXattr(ino, 'user.a', Buffer.from('b'), 0, root)
  t.deepEqual(await told(), [`changed ${String(ino)}`])

  const { ino: folder } = await tree.makeDirectory(ROOT_INO, name('folder'), 0o755, caller)
  await tree.link(ino, folder, name('second'), caller)
  await tree.rename({ parent: ROOT_INO, name: name('file') }, { parent: folder, name: name('first') }, 0, caller)
  t.deepEqual(await told(), [
    `added ${String(folder)} 1/folder`,
    `added ${String(ino)} ${String(folder)}/second`,
    `moved ${String(ino)} 1/file ${String(folder)}/first`,
  ])

  const before = (await find(tree, 'before'))!.ino
  await tree.rename(
    { parent: folder, name: name('first') },
    { parent: ROOT_INO, name: name('before') },
    RENAME.EXCHANGE,
    caller,
  )
  await tree.rename({ parent: folder, name: name('first') }, { parent: folder, name: name('second') }, 0, caller)
  t.deepEqual(await told(), [
    `moved ${String(ino)} ${String(folder)}/first 1/before`,
    `moved ${String(before)} 1/before ${String(folder)}/first`,
    `removed ${String(ino)} ${String(folder)}/second`,
    `moved ${String(before)} ${String(folder)}/first ${String(folder)}/second`,
  ])

  await tree.unlink(ROOT_INO, name('before'), caller)
  await tree.write(ino, handle, 0, Buffer.from('without a name'), caller)
  await tree.unlink(folder, name('second'), caller)
  await tree.removeDirectory(ROOT_INO, name('folder'), caller)
  t.deepEqual(await told(), [
    `removed ${String(ino)} 1/before`,
    `removed ${String(before)} ${String(folder)}/second`,
    `removed ${String(folder)} 1/folder`,
  ])
  tree.release(ino, handle)
  end()
  await writeFile(tree, 'after', Buffer.from('nobody listens any more'))
  t.deepEqual(await told(), [])
  await drive.shut()
  scratch.remove()
})
