/** The channel without libuv: programs and a terminated Worker see no difference. */
import test from 'ava'
import { serveMemoryTree, shell, temporaryMountpoint } from '../../../test/support/fuse/memory-mount.js'
import { serveInProcess } from '../../../test/support/fuse/served-process.js'

process.env['DAGDRIVE_FUSE_CHANNEL'] = 'thread'

test('R-01 with the reader thread several programs run at once', async (t) => {
  const mount = await serveMemoryTree(t)
  t.is(mount.transport, 'native-thread')
  const script = (
    name: string,
  ): string => `mkdir "$D/${name}"; cd "$D/${name}"; head -c 3000000 /dev/urandom > a; cp a b
    cmp a b; for i in $(seq 100); do echo $i > f$i; done; cat f* | wc -l; ls -l | wc -l; rm -rf "$D/${name}"`
  const outputs = await Promise.all(['x', 'y', 'z'].map((name) => shell(mount.directory, script(name))))
  t.deepEqual(outputs, ['100\n103', '100\n103', '100\n103'])
  await mount.unmount()
  t.is(await mount.ended, 'unmounted')
})

test('with the reader thread a terminated Worker and an ending process leave nothing behind', async (t) => {
  for (const line of ['terminate', 'exit'] as const) {
    const directory = await temporaryMountpoint(t)
    const served = await serveInProcess(t, directory)
    await shell(directory, 'echo x > "$D/f"')
    served.say(line)
    served.say('exit')
    t.like(await served.exited, { code: 0, errors: '' })
  }
})
