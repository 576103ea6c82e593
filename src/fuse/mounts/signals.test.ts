/** Signals to programs that wait for an answer of the mount. */
import test from 'ava'
import { serveMemoryTree, shell } from '../../../test/support/fuse/memory-mount.js'

for (const [what, call] of [
  ['a read that never gets an answer', "os.getxattr(d + '/f', 'user.a')"],
  ['a change that notices the signal', "os.mkdir(d + '/new')"],
  ['a sync', "os.fsync(os.open(d + '/f', os.O_RDWR))"],
] as const) {
  const python = `import os, signal, sys
d = os.environ['D']; seen = []; signal.signal(signal.SIGALRM, lambda *_: seen.append(1))`

  test(`S-056 a handled signal does not interrupt ${what}`, async (t) => {
    const mount = await serveMemoryTree(t)
    await shell(mount.directory, 'touch "$D/f"; setfattr -n user.a -v x "$D/f"')
    await mount.ask({ do: 'delay', ms: 600 })
    const script = `${python}
signal.setitimer(signal.ITIMER_REAL, 0.1, 0.01); ${call}; signal.setitimer(signal.ITIMER_REAL, 0); print(len(seen) > 0)`
    t.is(await shell(mount.directory, `python3 -c "${script}"`), 'True')
    await mount.unmount()
  })

  test(`S-056 a fatal signal ends a program at once in ${what}, also after handled signals`, async (t) => {
    const mount = await serveMemoryTree(t)
    await shell(mount.directory, 'touch "$D/f"; setfattr -n user.a -v x "$D/f"')
    await mount.ask({ do: 'delay', ms: 600_000 })
    const ended = (timer: string, signal: string): string => `rm -f $F; python3 -c "${python}
${timer}
open(os.environ['F'], 'w').write('begins'); ${call}" & for i in $(seq 3000); do [ -s $F ] && break; sleep 0.05; done
sleep 0.3; kill -${signal} $!; wait $! || echo $?`
    const busy = 'signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)'
    const run = `export F=$(mktemp -u)\n${ended('', 'KILL')}\n${ended('', 'TERM')}\n${ended(busy, 'KILL')}\nrm -f $F`
    t.is(await shell(mount.directory, run), '137\n143\n137')
    await mount.ask({ do: 'delay', ms: 0 })
    t.is(await shell(mount.directory, 'ls "$D"; getfattr --only-values -n user.a "$D/f"'), 'f\nx')
    await mount.unmount()
  })
}
