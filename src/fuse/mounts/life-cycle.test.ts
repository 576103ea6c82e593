/** How mounts begin and end: unmounting, killing, aborting, stale mounts, refused directories. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { findMount, parseMountInfo } from './mount-info.js'
import { forceUnmount, isStale, probeMount } from './stale.js'
import { programInside, serveMemoryTree, shell, temporaryMountpoint } from '../../../test/support/fuse/memory-mount.js'
import { serveInProcess } from '../../../test/support/fuse/served-process.js'
import { until } from '../../../test/support/until.js'

test('R-05 a mount left by kill -9 is stale, and a new mount detaches it first', async (t) => {
  const directory = await temporaryMountpoint(t)
  const served = await serveInProcess(t, directory)
  await shell(directory, 'echo x > "$D/f"; cat "$D/f"')
  t.false(await isStale(directory))
  served.child.kill('SIGKILL')
  await served.exited
  t.true(await isStale(directory))
  t.is(await probeMount(directory), 'dead')

  const again = await serveMemoryTree(t, {}, directory)
  t.is(await shell(directory, 'ls -A "$D" | wc -l; grep -c " $D " /proc/self/mountinfo'), '0\n1')
  await again.unmount()
  t.is(await findMount(directory), undefined)
})

test('a stale mount is detached even if it is the working directory of a program', async (t) => {
  const directory = await temporaryMountpoint(t)
  const served = await serveInProcess(t, directory)
  const inside = await programInside(directory, 'echo left')
  served.child.kill('SIGKILL')
  await served.exited
  const again = await serveMemoryTree(t, {}, directory)
  await again.unmount()
  t.is(await inside.leave(), 'left')
})

test('unmounting is refused with BUSY while a program uses the mount, and changes nothing', async (t) => {
  const mount = await serveMemoryTree(t)
  const inside = await programInside(mount.directory, 'echo kept > f; cat f')
  await t.throwsAsync(mount.unmount(), { message: 'BUSY' })
  t.is(await inside.leave(), 'kept')
  // The kernel, or another test that looks at /proc, may hold the mount for a moment longer.
  t.true(
    await until(() =>
      mount.unmount().then(
        () => true,
        () => false,
      ),
    ),
  )
  t.is(await mount.ended, 'unmounted')
})

test('a lazy unmount detaches the name and continues to serve the program inside', async (t) => {
  const mount = await serveMemoryTree(t)
  const inside = await programInside(mount.directory, 'echo served > f; cat f')
  await mount.unmount({ lazy: true })
  t.is(await findMount(mount.directory), undefined)
  t.is(await inside.leave(), 'served')
  t.is(await mount.ended, 'unmounted')
})

test('umount(8) from another process is noticed', async (t) => {
  const mount = await serveMemoryTree(t)
  await shell(mount.directory, 'echo x > "$D/f"; umount "$D"')
  t.is(await mount.ended, 'unmounted')
  t.like(await mount.ask({ do: 'counts' }), { inodes: 2, handles: 0 })
  await mount.unmount()
})

test('forceUnmount from another process ends a waiting program and releases open handles', async (t) => {
  const mount = await serveMemoryTree(t)
  await shell(mount.directory, 'echo x > "$D/f"')
  await mount.ask({ do: 'delay', ms: 600_000 })
  const waiting = t.throwsAsync(shell(mount.directory, 'dd if="$D/f" iflag=direct of=/dev/null'), {
    message: /not connected|connection abort|Input\/output|No such device/,
  })
  const waits = `[ "$(cat /sys/fs/fuse/connections/${(await findMount(mount.directory))?.minor}/waiting)" -gt 0 ]`
  await shell(mount.directory, `for i in $(seq 3000); do ${waits} && break; sleep 0.05; done; sleep 0.1`)
  await forceUnmount(mount.directory)
  await waiting
  t.is(await mount.ended, 'aborted')
  t.is(await findMount(mount.directory), undefined)
  t.like(await mount.ask({ do: 'counts' }), { inodes: 2, handles: 0 })
})

test('terminating a serving Worker neither aborts the process nor hangs', async (t) => {
  const directory = await temporaryMountpoint(t)
  const served = await serveInProcess(t, directory)
  await shell(directory, 'echo x > "$D/f"')
  served.say('terminate')
  t.is(await served.message('exited'), 1)
  served.say('exit')
  t.like(await served.exited, { code: 0, errors: '' })
  t.true(await isStale(directory))
})

test('a process that exits while serving leaves a mount that answers ENOTCONN', async (t) => {
  const directory = await temporaryMountpoint(t)
  const served = await serveInProcess(t, directory)
  served.say('exit')
  t.like(await served.exited, { code: 0, errors: '' })
  t.true(await isStale(directory))
  await forceUnmount(directory)
  t.is(await findMount(directory), undefined)
})

test('a mountpoint that is missing, not a directory, not empty or already mounted is refused', async (t) => {
  const directory = await temporaryMountpoint(t)
  await t.throwsAsync(serveMemoryTree(t, {}, join(directory, 'none')), { message: 'NOT_FOUND' })
  await writeFile(join(directory, 'file'), '')
  await t.throwsAsync(serveMemoryTree(t, {}, join(directory, 'file')), { message: 'NOT_A_DIRECTORY' })
  await t.throwsAsync(serveMemoryTree(t, {}, directory), { message: 'NOT_EMPTY' })
  const over = await serveMemoryTree(t, { over: true }, directory)
  await t.throwsAsync(serveMemoryTree(t, {}, directory), { message: 'BUSY' })
  await over.unmount()
  await access(join(directory, 'file'))
})

test('a mountpoint with a space in its name is found through a symlink', async (t) => {
  const parent = await mkdtemp(join(tmpdir(), 'dagdrive-fuse-'))
  t.teardown(() => rm(parent, { recursive: true, force: true }))
  await mkdir(join(parent, 'a drive\\'))
  await symlink(join(parent, 'a drive\\'), join(parent, 'link'))
  const mount = await serveMemoryTree(t, { source: 'my,drive' }, join(parent, 'link'))
  t.like(await findMount(join(parent, 'a drive\\')), { filesystem: 'fuse.dagdrive', source: 'my,drive' })
  await mount.unmount()
  await t.throwsAsync(forceUnmount(join(parent, 'link')), { code: 'NOT_MOUNTED' })
})

test('R-04 a read-only mount refuses writes; other users have access only with allowOther', async (t) => {
  const mount = await serveMemoryTree(t, { readOnly: true })
  t.regex(await shell(mount.directory, 'touch "$D/f" 2>&1 || true'), /Read-only/)
  await mount.unmount()
  const own = await serveMemoryTree(t)
  await shell(own.directory, 'chmod 755 "$D/.."; chmod 711 "$D"')
  const asNobody = 'setpriv --reuid 65534 --regid 65534 --clear-groups stat -c %F "$D" 2>&1 || true'
  t.regex(await shell(own.directory, asNobody), /Permission denied/)
  await own.unmount()
  const shared = await serveMemoryTree(t, { allowOther: true })
  t.is(await shell(shared.directory, asNobody), 'directory')
  t.regex(
    await shell(shared.directory, 'setpriv --reuid 65534 --regid 65534 --clear-groups touch "$D/f" 2>&1 || true'),
    /Permission denied/,
  )
  await shared.unmount()
})

test('R-04 without root, fusermount3 mounts and unmounts', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'dagdrive-fuse-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const script = `set -e; mknod -m 666 ${directory}.dev c 10 229; mount --bind ${directory}.dev /dev/fuse; rm ${directory}.dev
    chown 65534:65534 ${directory}; exec setpriv --reuid 65534 --regid 65534 --clear-groups ${process.execPath} "$@"`
  const command = ['unshare', '--mount', '--propagation', 'private', 'bash', '-c', script, 'bash']
  const served = await serveInProcess(t, directory, {}, command)
  const pid = String(served.child.pid)
  const line = parseMountInfo(await readFile(`/proc/${pid}/mountinfo`, 'latin1')).find(
    (m) => m.mountpoint === directory,
  )
  t.like(line, { filesystem: 'fuse.dagdrive', source: 'dagdrive:drive' })
  const inNamespace = `nsenter -t ${pid} -m setpriv --reuid 65534 --regid 65534 --clear-groups bash -c`
  t.is(await shell(directory, `${inNamespace} 'echo mine > "$D/f"; stat -c %u "$D/f"; cat "$D/f"'`), '65534\nmine')
  // A sandbox of root, into which this user cannot look, has a copy of the mount.
  const copied = ['-t', pid, '-m', 'unshare', '--mount', '--propagation', 'private', 'sh', '-c', 'echo made; read _']
  const sandbox = spawn('nsenter', copied)
  t.teardown(() => sandbox.kill('SIGKILL'))
  await once(sandbox.stdout, 'data')
  served.say('unmount')
  t.is(await served.message('ended'), 'unmounted')
  served.say('exit')
  t.like(await served.exited, { code: 0, errors: '' })
})

test('the read-ahead of the mount is one megabyte', async (t) => {
  const mount = await serveMemoryTree(t)
  const entry = await findMount(mount.directory)
  t.is((await readFile(`/sys/class/bdi/${entry?.device}/read_ahead_kb`, 'utf8')).trim(), '1024')
  await mount.unmount()
})

test('S-051 a mount whose folder was renamed is unmounted there; the old path is not changed', async (t) => {
  const base = await mkdtemp(join(tmpdir(), 'dagdrive-moved-'))
  const victim = await temporaryMountpoint(t)
  const other = await serveMemoryTree(t, {}, victim)
  t.teardown(() => rm(base, { recursive: true, force: true }))
  await mkdir(join(base, 'a/drive'), { recursive: true })
  const mount = await serveMemoryTree(t, {}, join(base, 'a/drive'))
  await rename(join(base, 'a'), join(base, 'b'))
  await mkdir(join(base, 'a'))
  await symlink(victim, join(base, 'a/drive'))
  await mount.unmount()
  t.is(await findMount(join(base, 'b/drive')), undefined)
  t.not(await findMount(victim), undefined)
  await other.unmount()
})
