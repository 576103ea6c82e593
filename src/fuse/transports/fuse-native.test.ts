/** Tests of the second transport. They need the package fuse-native and the system's libfuse.so.2. */
import { execFileSync } from 'node:child_process'
import test from 'ava'
import { hasFuseNative } from './fuse-native-transport.js'
import { findMount } from '../mounts/mount-info.js'
import { PathAdapter } from './path-adapter.js'
import { MemoryTree } from '../../../test/support/fuse/memory/memory-tree.js'
import { programInside, serveMemoryTree, shell, temporaryMountpoint } from '../../../test/support/fuse/memory-mount.js'
import { serveInProcess } from '../../../test/support/fuse/served-process.js'

process.env['DAGDRIVE_FUSE_TRANSPORT'] = 'fuse-native'
const hasLibrary = hasFuseNative() && execFileSync('sh', ['-c', 'ldconfig -p || true']).includes('libfuse.so.2')
const mounted = hasLibrary ? test : test.skip

mounted('R-01 through fuse-native programs copy, archive, link, rename and remove', async (t) => {
  const mount = await serveMemoryTree(t)
  t.is(mount.transport, 'fuse-native')
  const script = `cd "$D"; W=$(mktemp -d); trap 'rm -rf $W' EXIT; df . | tail -1 | cut -d' ' -f1
    for n in 0 1 4097 131073 3000000; do head -c $n /dev/urandom > $W/f; cp $W/f f$n; cmp $W/f f$n; done
    mkdir -p $W/t/d; ln -s x $W/t/s; for i in $(seq 50); do echo $i > $W/t/d/$i; done; chmod 640 $W/t/d/7
    tar -C $W/t -cf - . | tar -xf -; diff -r --no-dereference $W/t/d d; stat -c %a d/7; readlink s
    mv d/1 d/2; cat d/2; echo more >> d/2; cat d/2 | xargs; truncate -s 1 d/2; cat d/2; echo; ln d/3 three; echo 33 > three; cat d/3
    setfattr -n user.a -v value d/3; getfattr --only-values -n user.a d/3; echo; getfattr d/3 | grep -c user
    git init -q -b main r; cd r; echo a > b; git add b; git -c user.name=a -c user.email=b commit -qm one; git fsck 2>/dev/null; cd ..
    ls d | wc -l; rm -rf d r three s; rm f*; ls -A | wc -l`
  t.is(await shell(mount.directory, script), 'dagdrive:drive\n640\nx\n1\n1 more\n1\n33\nvalue\n1\n49\n0')
  await mount.unmount()
  t.is(await mount.ended, 'unmounted')
  t.like(await mount.ask({ do: 'counts' }), { handles: 0, inodes: 1 })
})

mounted(
  'through fuse-native unmounting a busy mount is refused, and umount(8) from another process is noticed',
  async (t) => {
    const mount = await serveMemoryTree(t)
    const inside = await programInside(mount.directory, 'echo kept > f; cat f')
    await t.throwsAsync(mount.unmount(), { message: 'BUSY' })
    t.is(await inside.leave(), 'kept')
    await shell(mount.directory, 'umount "$D"')
    t.is(await mount.ended, 'unmounted')
  },
)

mounted('fuse-native unmounts when the serving process is killed', async (t) => {
  const directory = await temporaryMountpoint(t)
  const served = await serveInProcess(t, directory)
  t.truthy(await findMount(directory))
  served.child.kill('SIGKILL')
  await served.exited
  await shell(
    directory,
    'for i in $(seq 50); do grep -q " $D " /proc/self/mountinfo || exit 0; sleep 0.1; done; exit 1',
  )
  t.is(await findMount(directory), undefined)
})

test('the path adapter refuses names that are not UTF-8 or too long, and reports missing names and closed files', async (t) => {
  const adapter = new PathAdapter(new MemoryTree())
  t.is((await adapter.call('create', ['/f', 0o644])).result, 0)
  t.is((await adapter.call('getattr', ['/f/x'])).result, -20)
  t.is((await adapter.call('getattr', ['/none'])).result, -2)
  t.is((await adapter.call('mkdir', ['/a\ufffd', 0o755])).result, -22)
  t.is((await adapter.call('mkdir', [`/${'ü'.repeat(128)}`, 0o755])).result, -36)
  t.is((await adapter.call('read', [99, 10, 0])).result, -9)
  t.is((await adapter.call('ioctl', [])).result, -38)
  t.deepEqual((await adapter.call('readdir', ['/'])).value, ['.', '..', 'f'])
})
