/** What the kernel is told of changes that programs on the mount did not make, also while it has dirty pages. */
import test from 'ava'
import { isStale } from './stale.js'
import { serveMemoryTree, shell } from '../../../test/support/fuse/memory-mount.js'

test('a change from another device reaches open files once the kernel is notified', async (t) => {
  const mount = await serveMemoryTree(t)
  await shell(mount.directory, 'echo old > "$D/f"; cat "$D/f"')
  const ino = Number(await shell(mount.directory, 'stat -c %i "$D/f"'))
  await mount.ask({ do: 'remote-write', ino, text: 'much newer\n' })
  t.is(
    await shell(
      mount.directory,
      `for i in $(seq 3000); do test $(stat -c %s "$D/f") = 11 && break; sleep 0.05; done; cat "$D/f"`,
    ),
    'much newer',
  )
  await mount.ask({ do: 'remote-write', ino, text: 'v3\n' })
  t.is(
    await shell(
      mount.directory,
      `for i in $(seq 3000); do test $(stat -c %s "$D/f") = 3 && break; sleep 0.05; done; cat "$D/f"`,
    ),
    'v3',
  )
  await mount.unmount()
})

test('with writeback the kernel collects small writes, and sizes and times stay correct', async (t) => {
  const mount = await serveMemoryTree(t, { writeback: true })
  const script = `cd "$D"; dd if=/dev/urandom of=f bs=1000 count=3000 2>/dev/null; stat -c %s f; sha256sum < f > ../sum-$$
    sync f; echo 3 > /dev/null; sha256sum < f | cmp - ../sum-$$; rm ../sum-$$; touch -d @77 f; echo x > g; stat -c %Y f`
  t.is(await shell(mount.directory, script), '3000000\n77')
  await mount.unmount()
})

test('with writeback a change from another device to a file with dirty pages does not deadlock', async (t) => {
  const mount = await serveMemoryTree(t, { writeback: true })
  await shell(mount.directory, 'echo old > "$D/f"; sync "$D/f"; echo dirty >> "$D/f"')
  const ino = Number(await shell(mount.directory, 'stat -c %i "$D/f"'))
  await mount.ask({ do: 'invalidate', ino })
  t.is(await shell(mount.directory, 'cat "$D/f"'), 'old\ndirty')
  await mount.unmount()
})

const onEventLoop = process.env['DAGDRIVE_FUSE_CHANNEL'] === 'thread' ? test.skip : test
onEventLoop(
  'a Worker ends even if a notification in the kernel waits for a write that is never answered',
  async (t) => {
    const mount = await serveMemoryTree(t, { writeback: true })
    await shell(mount.directory, 'echo old > "$D/f"; sync "$D/f"')
    const ino = Number(await shell(mount.directory, 'stat -c %i "$D/f"'))
    await mount.ask({ do: 'delay', ms: 600_000 })
    // Kept open, because closing would write the page back and wait.
    const writer = `import os, time; f = os.open(os.environ['D'] + '/f', os.O_WRONLY); os.pwrite(f, b'dirty', 0); open(os.environ['D'] + '.dirty', 'w'); time.sleep(3)`
    await shell(
      mount.directory,
      `(python3 -c "${writer}" > /dev/null 2>&1 &); while [ ! -e "$D.dirty" ]; do sleep 0.05; done`,
    )
    await mount.ask({ do: 'invalidate', ino })
    await shell(mount.directory, 'sleep 0.3')
    t.is(await mount.worker.terminate(), 1)
    t.true(await isStale(mount.directory))
  },
)
