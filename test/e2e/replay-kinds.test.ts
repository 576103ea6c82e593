/** Each kind of operation that can need the node, answered before a kill, and replayed while the node is away. */
import type { ExecutionContext } from 'ava'
import { testWhere } from '../support/available.js'
import { program, programAside } from '../support/drive.js'
import { secondDevice } from '../support/second-device.js'
import { until } from '../support/until.js'

const FILES = ['renamed', 'truncated', 'attributes', 'xattr', 'linked', 'copied', 'punched', 'patched', 'appended']
const FOLDERS = ['to', 'from', 'gone', 'links']
const PUBLISHED = `
for name in ${FILES.join(' ')}; do head -c 200000 /dev/urandom > $name; done
for name in ${FOLDERS.join(' ')}; do mkdir $name; for i in 1 2 3; do echo $name $i > $name/$i; done; done`

/** Every file and folder is used by one of them only, so that nothing was read here before. */
const KINDS: Readonly<Record<string, string>> = {
  'rename into an unread directory': 'mv renamed to/4',
  'rename out of an unread directory': 'mv from/1 .',
  'unlink in an unread directory': 'rm gone/2',
  'link into an unread directory': 'ln linked links/4',
  truncate: 'truncate -s 100001 truncated',
  setattr: 'chmod 640 attributes; touch -d @86400 attributes',
  setxattr: `python3 -c "import os; os.setxattr('xattr', 'user.kind', b'value')"`,
  copy_file_range: `python3 -c "import os; a = os.open('copied', 0); b = os.open('copy', 65); os.copy_file_range(a, b, 150001)"`,
  fallocate: 'fallocate -p -o 4097 -l 70000 punched',
  'read-modify-write': 'printf patch | dd of=patched bs=1 seek=50001 conv=notrunc 2>/dev/null',
  append: 'printf patch >> appended',
}
/** Contents, names, and what stat and getxattr say. */
const SHOW = `find . -type f | sort | xargs sha256sum; stat -c '%n %a %s %h' $(find . -type f | sort); stat -c %Y attributes
python3 -c "import os; print(os.getxattr('xattr', 'user.kind'))"`

const shell = (script: string, cwd: string): string => program('sh', ['-c', script], { cwd })

testWhere('fuse', 'go')(
  'S-121 each kind of operation that can need the node is replayed, although the node was away at the kill',
  async (t: ExecutionContext) => {
    t.timeout(10 * 60_000)
    const { kubo, drive, expected } = await secondDevice(t, PUBLISHED, { DAGDRIVE_DEBOUNCE_MS: '3600000' })

    let waited = 0
    for (const [round, [kind, change]] of Object.entries(KINDS).entries()) {
      shell(change, expected)
      const pid = drive.daemonPid()!
      // Stopped, so that it makes no commit while the node ends.
      shell(`${change}; kill -STOP ${pid}`, drive.mountpoint)
      await kubo.kill()
      process.kill(pid, 'SIGKILL')
      if (/waits: .* needs the node/.test(await drive.must(['status']))) waited++
      await kubo.restart()
      const goesOn = (): boolean => drive.log(Infinity).split('the mount goes on').length > round + 1
      t.true(await until(goesOn), `${kind}\n${drive.log()}`)
    }
    t.log(`${waited} of ${Object.keys(KINDS).length} replays waited for the node`)
    t.true(waited > 0)
    t.is(await programAside('sh', ['-c', SHOW], drive.mountpoint), shell(SHOW, expected), drive.log())
    t.notRegex(await drive.must(['status']), /lost/)
    await drive.unmount(['--now']).catch(() => undefined)
  },
)
