/** Unmounting while other mount namespaces have copies of the mount, as sandboxes and containers make them. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import test from 'ava'
import { findMount } from './mount-info.js'
import { serveMemoryTree, shell } from '../../../test/support/fuse/memory-mount.js'

test('S-161 a copy of the mount in another mount namespace holds an unmount only while a program uses it', async (t) => {
  const mount = await serveMemoryTree(t)
  const copy = ['unshare', '--mount', '--propagation', 'private', 'bash', '-c']
  const sandbox = spawn(
    copy[0]!,
    [...copy.slice(1), 'echo ready; read; cd "$D"; echo inside; read; cd /; echo outside; read'],
    {
      env: { ...process.env, D: mount.directory },
    },
  )
  t.teardown(() => sandbox.kill('SIGKILL'))
  const heard = createInterface({ input: sandbox.stdout })[Symbol.asyncIterator]()
  t.is((await heard.next()).value, 'ready')
  sandbox.stdin.write('\n')
  t.is((await heard.next()).value, 'inside')
  await t.throwsAsync(mount.unmount(), { message: 'BUSY' })
  t.is(await shell(mount.directory, 'echo kept > "$D/f"; cat "$D/f"'), 'kept', 'nothing has changed')
  sandbox.stdin.write('\n')
  t.is((await heard.next()).value, 'outside')
  await mount.unmount()
  t.is(await mount.ended, 'unmounted')
  t.is(await findMount(mount.directory), undefined)
})

for (const [what, use] of [
  [
    'a mapping of a closed file',
    'python3 -c "import mmap,os,sys; f=os.open(sys.argv[1],os.O_RDWR); m=mmap.mmap(f,4096); os.close(f); print(1, flush=True); input()" "$D/f"',
  ],
  [
    'a program that runs from it',
    'cp /bin/sleep "$D/s"; "$D/s" 600 & until [ "$(readlink /proc/$!/exe)" = "$D/s" ]; do sleep 0.02; done; echo 1; read; kill $!; wait $! || true',
  ],
] as const) {
  test(`S-161 ${what} in another mount namespace makes an unmount BUSY`, async (t) => {
    const mount = await serveMemoryTree(t)
    await shell(mount.directory, 'head -c 4096 /dev/zero > "$D/f"')
    const sandbox = spawn('unshare', ['--mount', '--propagation', 'private', 'bash', '-c', `${use}; echo 2; read`], {
      env: { ...process.env, D: mount.directory },
    })
    t.teardown(() => sandbox.kill('SIGKILL'))
    const heard = createInterface({ input: sandbox.stdout })[Symbol.asyncIterator]()
    t.is((await heard.next()).value, '1')
    await t.throwsAsync(mount.unmount(), { message: 'BUSY' })
    sandbox.stdin.write('\n')
    t.is((await heard.next()).value, '2')
    await mount.unmount()
    t.is(await mount.ended, 'unmounted')
  })
}

test('S-161 a copy of the mount in a mount namespace without processes is ended by an unmount', async (t) => {
  const mount = await serveMemoryTree(t)
  const kept = `${mount.directory}.namespace`
  t.teardown(() => shell('', `umount -l '${kept}/ns' || true; umount -l '${kept}' || true; rm -rf '${kept}'`))
  // A file that keeps a mount namespace must be on a private mount.
  await shell(
    '',
    `mkdir '${kept}'; mount --bind '${kept}' '${kept}'; mount --make-private '${kept}'; touch '${kept}/ns'
    unshare --mount='${kept}/ns' --propagation private true`,
  )
  await mount.unmount()
  t.is(await mount.ended, 'unmounted')
  await shell('', `umount '${kept}/ns'`)
})
