import test from 'ava'
import { caller, name, scratchDrive } from '../../test/support/vfs/drive.js'
import { seededRandom } from '../base/index.js'
import { OPEN, ROOT_INO } from '../vfs/index.js'
import { openFiles } from './open-files.js'
import { world, filesOf, optionsOf, put } from '../../test/support/vfs/files-session.js'

test('every change is reported in order with its origin, and a reader resumes at its position', async (t) => {
  const { files, drive } = await world(t)
  const { next } = await files.events(0, { limit: 10, waitMs: 0 })
  const waiting = files.events(next, { limit: 100, waitMs: 60_000 })
  await files.makeDirectory('d', { parents: false }, 'me')
  t.like((await waiting).events[0], { kind: 'added', name: 'd', origin: 'me', type: 'directory' })
  const made = await drive.tree.create(ROOT_INO, name('k'), 0o600, OPEN.WRITE_ONLY, caller)
  await drive.tree.write(made.attributes.ino, made.opened.handle, 0, Buffer.from('x'), caller)
  drive.tree.release(made.attributes.ino, made.opened.handle)
  await new Promise((resolve) => setImmediate(resolve))
  await files.rename({ path: 'k' }, 'd/k', { replace: false }, 'me')
  await files.remove({ path: 'd' }, { recursive: true }, 'me')
  await new Promise((resolve) => setImmediate(resolve))
  const all = (await files.events(next, { limit: 100, waitMs: 0 })).events
  t.deepEqual(
    all.map(({ kind, name: at, from, origin }) => [kind, at, from?.name, origin]),
    [
      ['added', 'd', undefined, 'me'],
      ['added', 'k', undefined, 'kernel'],
      ['changed', 'k', undefined, 'kernel'],
      ['moved', 'k', 'k', 'me'],
      ['removed', 'k', undefined, 'me'],
      ['removed', 'd', undefined, 'me'],
    ],
  )
  t.deepEqual(
    all.map(({ sequence }) => sequence),
    all.map((_, i) => next + i),
  )
  const later = await files.events(next + 2, { limit: 2, waitMs: 0 })
  t.deepEqual(
    later.events.map(({ sequence }) => sequence),
    [next + 2, next + 3],
  )
  t.is(later.next, next + 4)
})

test('a reader that was away too long is told that events are missing', async (t) => {
  const { drive } = await world(t)
  let repeat = (): void => t.fail('nothing changed')
  const files = openFiles({
    ...optionsOf(drive),
    listen: (listener) =>
      drive.changes.listen((changes) => {
        repeat = () => listener(changes)
        listener(changes)
      }),
  })
  const { next } = await files.events(0, { limit: 1, waitMs: 0 })
  await files.makeDirectory('d', { parents: false }, 'me')
  for (let i = 0; i < 20_000; i++) repeat()
  const late = await files.events(next, { limit: 1, waitMs: 0 })
  t.true(late.isIncomplete)
  t.true((late.events[0]?.sequence ?? 0) > next)
  await files.closeAll()
})

test('a reader from before a restart is told that events are missing', async (t) => {
  const scratch = scratchDrive()
  t.teardown(() => scratch.remove())
  const first = await scratch.open()
  const before = filesOf(first)
  const { next } = await before.events(0, { limit: 1, waitMs: 0 })
  await before.closeAll()
  await first.shut()
  const second = await scratch.open()
  const after = openFiles({ ...optionsOf(second), random: seededRandom(4) })
  await after.makeDirectory('d', { parents: false }, 'me')
  const late = await after.events(next, { limit: 1, waitMs: 0 })
  t.true(late.isIncomplete)
  await after.closeAll()
  await second.shut()
})

test('every changed name is invalidated in the kernel', async (t) => {
  const { files, forgotten } = await world(t)
  await put(files, 'f', 'x')
  await files.rename({ path: 'f' }, 'g', { replace: false }, 'test')
  await files.remove({ path: 'g' }, { recursive: false }, 'test')
  t.true(forgotten.filter((kind) => kind === 'entry').length >= 4)
})
