/** What else programs ask for: locks, special files, statvfs, and the ways in which editors save. */
import type { Case } from '../runner.js'

/** Each with its errors. */
export const programCases: readonly Case[] = [
  {
    name: 'locks',
    steps: [
      ['open', 'a', 'file', 'O_CREAT|O_RDWR'],
      ['open', 'b', 'file', 'O_RDWR'],
      ['flock', 'a', 'LOCK_EX'],
      ['flock', 'b', 'LOCK_SH'],
      ['flock', 'a', 'LOCK_UN'],
      ['flock', 'b', 'LOCK_SH'],
      ['flock', 'b', 'LOCK_UN'],
      ['lock_elsewhere', 'file'],
      ['lockf', 'a', 'LOCK_EX'],
      ['lock_elsewhere', 'file'],
    ],
  },
  {
    name: 'FIFOs, sockets and devices',
    steps: [
      ['mknod', 'fifo', 'S_IFIFO', 0o600],
      ['stat', 'fifo'],
      ['bind_socket', 'socket'],
      ['stat', 'socket'],
      ['mknod', 'null', 'S_IFCHR', 0o600, 259],
      ['stat', 'null'],
      ['mknod', 'plain', 'S_IFREG', 0o600],
      ['stat', 'plain'],
      ['rename', 'fifo', 'pipe'],
      ['list', ''],
      ['unlink', 'pipe'],
      ['unlink', 'socket'],
    ],
  },
  {
    name: 'statvfs and sync',
    steps: [
      ['statvfs', ''],
      ['open', 'a', 'file', 'O_CREAT|O_RDWR'],
      ['write', 'a', 'data'],
      ['fdatasync', 'a'],
      ['fsync', 'a'],
      ['sync_directory', ''],
      ['run', 'sync', '-f', 'file'],
    ],
  },
  {
    name: 'the ways editors and tools save',
    steps: [
      [
        'run',
        'sh',
        '-c',
        'echo one > file; cp file file~; echo two > .file.tmp; sync .file.tmp; mv .file.tmp file; cat file file~',
      ],
      ['run', 'sh', '-c', 'for i in 1 2 3 4 5; do echo line $i >> log; done; sed -i s/line/row/ log; cat log; rm log'],
      [
        'run',
        'sh',
        '-c',
        'mkdir -p a/b/c; touch a/b/c/x; tar cf t.tar a; rm -rf a; tar xf t.tar; rm t.tar; find a | sort',
      ],
      [
        'run',
        'sh',
        '-c',
        'dd if=/dev/zero of=zero bs=64k count=3 conv=fsync 2>/dev/null; dd if=/dev/zero of=zero bs=1 seek=100 count=5 conv=notrunc 2>/dev/null; stat -c %s zero',
      ],
      ['run', 'sh', '-c', 'mkdir s; cp -a a s; rsync -a --delete s/ r; rsync -a --inplace s/ r; diff -r s r; ls -A r'],
    ],
  },
]
