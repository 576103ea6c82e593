/** Ordinary programs on a memory tree behind a real kernel mount, run as child processes. */
import test, { type ExecutionContext } from 'ava'
import { serveMemoryTree, shell } from '../../../test/support/fuse/memory-mount.js'

/** Runs the script in a fresh mount, checks its output, and checks that the kernel released every handle. */
const onMount = test.macro(async (t: ExecutionContext, script: string, expected: string) => {
  const mount = await serveMemoryTree(t)
  t.is(await shell(mount.directory, `cd "$D"; W=$(mktemp -d); trap 'rm -rf $W' EXIT\n${script}`), expected)
  await mount.unmount()
  t.is(await mount.ended, 'unmounted')
  t.like(await mount.ask({ do: 'counts' }), { handles: 0 })
})

test(
  'R-01 files written by cp read back the same, at every size around a page and a request',
  onMount,
  `for n in 0 1 4095 4096 4097 131072 1048575 1048576 1048577 5000000; do
     head -c $n /dev/urandom > $W/f; cp $W/f f$n; cmp $W/f f$n; test "$(stat -c %s f$n)" = $n
     cp f$n g$n; cmp f$n g$n
   done; ls | wc -l`,
  '20',
)

test(
  'R-01 tar unpacks a tree with modes, links and times and packs it again to the same bytes',
  onMount,
  `mkdir -p $W/t/a/b; for i in $(seq 200); do echo $i > $W/t/a/b/f$i; done; ln -s b $W/t/a/link; ln $W/t/a/b/f1 $W/t/a/hard
   chmod 2751 $W/t/a/b; touch -d '1969-12-31 23:59:58.123456789 UTC' $W/t/a/b/f2; mkfifo $W/t/a/pipe
   tar -C $W/t --format=posix --sort=name -cf $W/one.tar .; mkdir u; tar -C u -xpf $W/one.tar
   touch -d @0 u $W/t; touch -r $W/t/a u/a; touch -r $W/t/a/b u/a/b
   opts="--format=posix --sort=name --pax-option=exthdr.name=%d/%f,delete=atime,delete=ctime"
   tar -C $W/t $opts -cf $W/two.tar .; tar -C u $opts -cf $W/three.tar .; cmp $W/two.tar $W/three.tar
   stat -c '%h %a %A' u/a/hard u/a/b; stat -c %y u/a/b/f2; rm -rf u; ls -A`,
  '2 644 -rw-r--r--\n2 2751 drwxr-s--x\n1969-12-31 23:59:58.123456789 +0000',
)

test(
  'R-01 git clones, commits, checks out and passes fsck',
  onMount,
  `export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
   git init -q -b main $W/r; for i in $(seq 60); do echo $i > $W/r/f$i; done; git -C $W/r add .; git -C $W/r commit -qm one
   git clone -q $W/r c 2>/dev/null; cd c; git mv f1 g1; echo x >> f2; git commit -qam two; git checkout -q HEAD~1; test -e f1
   git checkout -q main; git gc -q; git fsck --strict 2>/dev/null; git status --porcelain | wc -l; git log --oneline | wc -l`,
  '0\n2',
)

test(
  'R-01 rename replaces, refuses with --no-clobber, and exchanges two names',
  onMount,
  `echo 1 > a; echo 2 > b; mv a b; cat b; echo 3 > c; mv -n b c; cat b c; mkdir d; mv b d/; mv d e; cat e/b
   python3 - <<'P'
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def rename(a, b, f): return 0 if libc.renameat2(-100, a, -100, b, f) == 0 else ctypes.get_errno()
print(rename(b'c', b'e/b', 2), open('c').read(), open('e/b').read(), rename(b'c', b'e/b', 1), rename(b'c', b'n', 4))
print(rename(b'e', b'e/x', 0), rename(b'nothing', b'x', 0), rename(b'c', b'e', 0))
P`,
  '1\n1\n3\n1\n0 1\n 3\n 17 22\n22 2 21',
)

test(
  'R-01 an unlinked open file still reads, writes and truncates; its inode is freed on the last close',
  onMount,
  `python3 - <<'P'
import os
f = open('gone', 'w+b'); f.write(b'abc'); f.flush(); os.unlink('gone'); f.write(b'def'); f.seek(0); print(f.read(), os.fstat(f.fileno()).st_nlink)
os.ftruncate(f.fileno(), 2); f.seek(0); print(f.read(), os.listdir('.'))
os.mkdir('d'); d = os.open('d', os.O_RDONLY); os.rmdir('d'); print(os.fstat(d).st_nlink, os.listdir(d))
P`,
  `b'abcdef' 0\nb'ab' []\n0 []`,
)

test(
  'R-01 extended attributes are stored, listed, replaced and removed',
  onMount,
  `touch f; setfattr -n user.a -v one f; setfattr -n user.b -v "" f; getfattr --only-values -n user.a f; echo; getfattr f | grep -c user
   setfattr -x user.a f; (getfattr -n user.a f 2>&1 || true) | grep -c 'No such attribute'
   python3 - <<'P'
import os
try: os.setxattr('f', 'user.b', b'x', os.XATTR_CREATE)
except FileExistsError: print('exists')
os.setxattr('f', 'user.big', b'y' * 65536); print(len(os.getxattr('f', 'user.big')))
try: os.setxattr('f', 'user.none', b'x', os.XATTR_REPLACE)
except OSError as e: print(e.errno)
P`,
  'one\n2\n1\nexists\n65536\n61',
)

test(
  'R-01 flock and fcntl locks exclude each other between processes',
  onMount,
  `touch l; flock -x l sh -c "touch $W/held; while [ ! -e $W/end ]; do sleep 0.02; done" &
   while [ ! -e $W/held ]; do sleep 0.02; done; flock -n l true || echo held; touch $W/end; wait; flock -n l true && echo free
   python3 - <<'P'
import fcntl, os
f = open('l', 'w'); fcntl.lockf(f, fcntl.LOCK_EX)
if os.fork() == 0:
    try: fcntl.lockf(open('l', 'w'), fcntl.LOCK_EX | fcntl.LOCK_NB); print('got', flush=True)
    except OSError: print('refused', flush=True)
    os._exit(0)
os.wait()
P`,
  'held\nfree\nrefused',
)

test(
  'R-01 memory maps: a shared one writes through, a private one does not',
  onMount,
  `head -c 20000 /dev/zero > m
   python3 - <<'P'
import mmap, os
f = open('m', 'r+b'); s = mmap.mmap(f.fileno(), 0); s[5000:5005] = b'hello'; s.flush(); print(os.pread(f.fileno(), 5, 5000))
p = mmap.mmap(f.fileno(), 0, flags=mmap.MAP_PRIVATE); p[5000:5005] = b'other'; print(os.pread(f.fileno(), 5, 5000))
os.pwrite(f.fileno(), b'HELLO', 5000); print(s[5000:5005])
P`,
  `b'hello'\nb'hello'\nb'HELLO'`,
)

test(
  'R-01 fallocate, holes, lseek, copy_file_range and append',
  onMount,
  `python3 - <<'P'
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
f = os.open('s', os.O_RDWR | os.O_CREAT); os.pwrite(f, b'x', 10_000_000)
print(os.fstat(f).st_size, os.fstat(f).st_blocks < 2000, os.lseek(f, 0, os.SEEK_DATA) > 9_000_000, os.lseek(f, 0, os.SEEK_HOLE))
fa = lambda mode, at, n: 0 if libc.fallocate(f, mode, ctypes.c_long(at), ctypes.c_long(n)) == 0 else ctypes.get_errno()
print(fa(3, 9_999_999, 100), os.pread(f, 1, 10_000_000), fa(0, 10_000_001, 5), os.fstat(f).st_size, fa(1, 20_000_000, 1), os.fstat(f).st_size, fa(8, 0, 4096))
try: os.lseek(f, 30_000_000, os.SEEK_DATA)
except OSError as e: print(e.errno)
os.pwrite(f, b'abcdef', 0); g = os.open('t', os.O_RDWR | os.O_CREAT); print(os.copy_file_range(f, g, 4, 1, 2), os.pread(g, 9, 0))
a = os.open('t', os.O_WRONLY | os.O_APPEND); os.write(a, b'+'); os.write(g, b'>'); os.write(a, b'!'); print(open('t','rb').read(), os.stat('t').st_size)
P`,
  `10000001 True True 0\n0 b'\\x00' 0 10000006 0 10000006 95\n6\n4 b'\\x00\\x00bcde'\nb'>\\x00bcde+!' 8`,
)

test(
  'R-01 names of any bytes up to 255 work; longer and missing names are errors',
  onMount,
  `python3 - <<'P'
import os
long = b'n' * 255; odd = bytes(b for b in range(1, 256) if b != 47)[:250]
for n in (long, odd, b'\\xff\\xfe', 'ü'.encode(), b' ', b'...'): open(n, 'w').close(); assert n in os.listdir(b'.')
def errno(f, *a):
    try: f(*a); return 0
    except OSError as e: return e.errno
print(len(os.listdir(b'.')), errno(os.stat, b'n' * 256), errno(os.stat, b'none'), errno(os.rmdir, b' '), errno(os.mkdir, b' '), errno(os.open, b' /x', 0), errno(os.open, b'.', os.O_WRONLY))
P`,
  '6 36 2 20 17 20 21',
)

test(
  'R-01 a directory of 5,000 entries lists completely while names are removed, and again from the cache',
  onMount,
  `python3 - <<'P'
import os
for i in range(5000): open(f'f{i:05}', 'w').close()
seen = []
with os.scandir('.') as d:
    for e in d:
        seen.append(e.name)
        if len(seen) % 3 == 0: os.unlink(e.name)
print(len(seen), len(set(seen)), len(os.listdir('.')), len(os.listdir('.')))
P
   ls -l | wc -l; ls -a | sed -n 1,2p | xargs; rm -rf ./*; ls -A | wc -l`,
  '5000 5000 3334 3334\n3335\n. ..\n0',
)

test(
  'R-01 stat and df show sizes, link counts, birth time and free space',
  onMount,
  `echo hello > f; B=$(stat -c %W f); test $B -gt 0; ln f g; mkdir -p d/e; stat -c '%h %s %F' f d
   echo more >> f; stat -c %s g; truncate -s 3 f; stat -c %s g; rm g; stat -c %h f; chmod 640 f; chown 12:34 f; stat -c '%a %u %g' f
   test $(stat -c %W f) = $B; stat -f -c '%S %l' .; ln -s /some/where s; readlink s; mkfifo p; (echo through > p &); cat p`,
  '2 6 regular file\n3 0 directory\n11\n3\n1\n640 12 34\n4096 255\n/some/where\nthrough',
)

test(
  'R-01 mtime is the time of the last write, and an explicit mtime survives a write before close',
  onMount,
  `python3 - <<'P'
import os, time
f = os.open('f', os.O_RDWR | os.O_CREAT); t0 = os.fstat(f).st_mtime_ns; time.sleep(0.02); os.write(f, b'1'); t1 = os.fstat(f).st_mtime_ns
time.sleep(0.02); os.write(f, b'2'); t2 = os.stat('f').st_mtime_ns; os.write(f, b'3'); os.utime(f, ns=(5, 1_234_567_891)); os.close(f)
print(t0 < t1 < t2, os.stat('f').st_mtime_ns, os.stat('f').st_atime_ns, os.stat('f').st_size)
P`,
  'True 1234567891 5 3',
)
