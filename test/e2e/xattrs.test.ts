import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { testWhere } from '../support/available.js'
import { callers, CallersDrives, runAs, type Caller } from '../support/callers.js'
import { program, temporaryFolder, testDrive } from '../support/drive.js'
import { projectRoot } from '../support/sources.js'

const test = testWhere('fuse', 'root')
const drives = new CallersDrives()
const PROGRAM = join(projectRoot, 'fixtures/programs/xattrs.py')
const OTHER_USER = '1234'

if ('before' in test) {
  test.before('mount two drives', () => drives.open())
  test.after.always('unmount them', () => drives.close())
}

for (const caller of callers) {
  test(`S-059 extended attributes and POSIX ACLs behave as on a plain directory: ${caller.name}`, (t: ExecutionContext) => {
    const { mounted, plain } = drives.folders(t, caller)
    const source = program('cat', [PROGRAM])
    const [expected, found] = [plain, mounted].map((folder) =>
      runAs(caller, ['python3', '-', folder, OTHER_USER], { input: source }).split('\n'),
    )
    t.true(expected!.length > 400)
    t.deepEqual(found, expected)
  })
}

const LABELS = `
import errno, os, sys
os.chdir(sys.argv[1]); open('labelled', 'w').close()
try: os.getxattr('labelled', 'security.selinux')
except OSError as error: print(errno.errorcode[error.errno])
os.setxattr('labelled', 'security.selinux', b'a:b:c'); print(os.getxattr('labelled', 'security.selinux'))
`

test('S-059 reading a missing label tells the kernel once, for all files, that labels are not supported', (t: ExecutionContext) => {
  const { mounted } = drives.folders(t, callers[0]!)
  t.is(runAs(callers[0]!, ['python3', '-c', LABELS, mounted]), "ENOTSUP\nb'a:b:c'\n")
})

/** Prints the access of an ordinary user to a file that only its ACL grants. */
const ATTEMPTS = `
import os, sys
os.chdir(sys.argv[1])
for name, flags in (('file', os.O_RDONLY), ('file', os.O_WRONLY), ('folder/below', os.O_RDONLY)):
    try: os.close(os.open(name, flags)); print('yes', end=' ')
    except OSError as error: print(error.errno, end=' ')
`
/** As root: an ACL for user 65534 on a file of mode 600, and a default ACL on a folder. */
const PREPARE = `
import os, struct, sys
os.chdir(sys.argv[1])
def acl(user, mask): return struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *e) for e in (
    (1, 6, 0xffffffff), (2, user, 65534), (4, 0, 0xffffffff), (16, mask, 0xffffffff), (32, 0, 0xffffffff)))
os.close(os.open('file', os.O_CREAT | os.O_WRONLY, 0o600)); os.mkdir('folder'); os.chmod('folder', 0o755)
os.setxattr('file', 'system.posix_acl_access', acl(4, 7)); os.setxattr('folder', 'system.posix_acl_default', acl(4, 7))
os.close(os.open('folder/below', os.O_CREAT | os.O_WRONLY, 0o640))
`
const NARROW = "import os, sys; os.chdir(sys.argv[1]); os.chmod('file', 0o600)"

test('S-059 on a shared mount the kernel enforces ACLs, inherited ones, and a mode that removes the mask', (t: ExecutionContext) => {
  const [, root, user] = callers as readonly [Caller, Caller, Caller]
  const { mounted, plain } = drives.folders(t, root)
  for (const folder of [plain, mounted]) {
    runAs(root, ['python3', '-c', PREPARE, folder])
    t.is(runAs(user, ['python3', '-c', ATTEMPTS, folder]), 'yes 13 yes ', folder)
    runAs(root, ['python3', '-c', NARROW, folder])
    t.is(runAs(user, ['python3', '-c', ATTEMPTS, folder]), '13 13 yes ', folder)
  }
})

test('S-059 S-001 S-003 ACLs survive a remount, and exist on another device', async (t: ExecutionContext) => {
  const folder = temporaryFolder(t, 'acls')
  const node = `file://${join(folder, 'node')}`
  const phrase = join(folder, 'phrase')
  const read = `import os, sys; os.chdir(sys.argv[1])
for path in ('file', 'folder', 'folder/below'): print([(n, os.getxattr(path, n)) for n in sorted(os.listxattr(path))], os.stat(path).st_mode)`
  const seen = (at: string): string => program('python3', ['-c', read, at])
  const first = testDrive(t)
  await first.up(['--node', node, '--phrase-out', phrase])
  program('python3', ['-c', PREPARE, first.mountpoint])
  const before = seen(first.mountpoint)
  t.regex(before, /posix_acl_access.*posix_acl_default.*posix_acl_access/s)
  await first.unmount()
  await first.mount(['--allow-other'])
  t.is(seen(first.mountpoint), before)
  await first.unmount()
  const second = testDrive(t)
  await second.up(['--node', node, '--phrase-file', phrase])
  t.is(seen(second.mountpoint), before)
  await second.unmount()
})
