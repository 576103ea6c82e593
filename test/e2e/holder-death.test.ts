import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { sleep } from '../../src/base/index.js'
import { testWhere } from '../support/available.js'
import { program, programAside, temporaryFolder, testDrive, type TestDrive } from '../support/drive.js'
import { projectRoot } from '../support/sources.js'
import { until } from '../support/until.js'

const test = testWhere('fuse')
const WRITING = 'for i in $(seq 600); do echo line $i; sleep 0.01; done > written'

/** A program is writing to a drive whose holder answers nothing. */
async function writingToStoppedHolder(
  t: ExecutionContext,
): Promise<{ drive: TestDrive; holder: number; writing: Promise<unknown> }> {
  const drive = testDrive(t)
  await drive.up()
  const holder = drive.holderPid()!
  const writing = programAside('sh', ['-c', WRITING], drive.mountpoint)
  await sleep(500)
  process.kill(holder, 'SIGSTOP')
  return { drive, holder, writing }
}

const timesIn = (drive: TestDrive, line: string): number => drive.log(Infinity).split(line).length - 1

test('S-085 a killed holder is replaced, and a later kill of the daemon is only a pause', async (t: ExecutionContext) => {
  const drive = testDrive(t)
  await drive.up()
  const writing = programAside('sh', ['-c', WRITING], drive.mountpoint)
  for (let round = 1; round <= 3; round++) {
    const before = drive.holderPid()!
    process.kill(before, 'SIGKILL')
    t.true(await until(() => timesIn(drive, 'another holder keeps the mount') >= round), drive.log())
    t.not(drive.holderPid(), before)
    drive.killDaemon()
    t.true(await until(() => timesIn(drive, 'the mount goes on') >= round), drive.log())
  }
  await writing
  t.is(program('sh', ['-c', 'wc -l < written'], { cwd: drive.mountpoint }).trim(), '600')
  await drive.run(['unmount', '--now'])
  t.true(await until(() => drive.holderPid() === undefined))
})

test('S-085 a drive that is remounted after its holder was killed has a new holder', async (t: ExecutionContext) => {
  const drive = testDrive(t)
  await drive.up()
  await drive.unmount(['--now'])
  await drive.mount()
  process.kill(drive.holderPid()!, 'SIGKILL')
  await drive.unmount(['--now'])
  await drive.mount()
  t.true(await until(() => drive.holderPid() !== undefined))
  drive.killDaemon()
  t.is(program('ls', [drive.mountpoint]), '')
  await drive.run(['unmount', '--now'])
})

test('S-085 while the holder is stopped, a new daemon waits for it, and programs see only a pause', async (t: ExecutionContext) => {
  const { drive, holder, writing } = await writingToStoppedHolder(t)
  drive.killDaemon()
  const status = drive.run(['status'])
  await sleep(3_000)
  process.kill(holder, 'SIGCONT')
  t.is((await status).code, 0)
  await writing
  t.is(program('sh', ['-c', 'wc -l < written'], { cwd: drive.mountpoint }).trim(), '600')
  t.is(timesIn(drive, 'the mount goes on'), 1, drive.log())
  t.is(drive.holderPid(), holder)
  await drive.run(['unmount', '--now'])
})

test('S-102 a holder that stays stopped is continued by the next daemon, and nothing that was answered is lost', async (t: ExecutionContext) => {
  const { drive, holder, writing } = await writingToStoppedHolder(t)
  t.teardown(() => {
    try {
      process.kill(holder, 'SIGCONT')
    } catch {
      return // it has ended, as it should
    }
  })
  drive.killDaemon()
  t.is((await drive.run(['status'])).code, 0)
  await writing
  t.is(program('sh', ['-c', 'wc -l < written'], { cwd: drive.mountpoint }).trim(), '600')
  t.is(timesIn(drive, 'the holder was stopped, and is continued'), 1, drive.log())
  t.is(timesIn(drive, 'the mount goes on'), 1, drive.log())
  t.is(drive.holderPid(), holder)
  await drive.run(['unmount', '--now'])
})

/** Acts as a daemon: the holder accepts the process named in the lock file. */
const SPEAKER = `
import array, json, os, socket, subprocess, sys, time
folder, holder = sys.argv[1:3]
lock, path = os.path.join(folder, 'lock'), os.path.join(folder, 'socket')
with open(lock, 'w') as file:
    file.write('{"pid":%d}' % os.getpid())
process = subprocess.Popen([holder, path, lock, os.path.join(folder, 'log'), '1048576'], stdout=subprocess.PIPE)
process.stdout.readline()
link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
link.connect(path)

def say(what, fds=()):
    link.sendmsg([what], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))] if fds else [])

def state():
    say(b'H')
    answer, control, _, _ = link.recvmsg(4096, socket.CMSG_SPACE(8))
    for _, _, data in control:
        for fd in array.array('i', data[:len(data) - len(data) % 4]):
            os.close(fd)
    return [answer[1], answer[2]]

def held():
    return len(os.listdir('/proc/%d/fd' % process.pid))

pipe = os.pipe()
state()
before = held()
for _ in range(40):
    say(b'G', [pipe[0], pipe[1]])
    say(b'M', [pipe[0]])
    say(b'K' + b'k' * 32, [pipe[0], pipe[1], pipe[0]])
after_many = state() + [held() - before]
say(b'G', [pipe[0]])
with_channel = state() + [held() - before]
say(b'D')
dropped = state() + [held() - before]
link.close()
process.wait(100)
print(json.dumps([after_many, with_channel, dropped]))
`

test('S-085 a holder keeps a descriptor only from a message with exactly one, and drops the key with the channel', (t: ExecutionContext) => {
  const folder = temporaryFolder(t, 'speaker')
  const script = join(folder, 'speaker.py')
  writeFileSync(script, SPEAKER)
  const holder = join(projectRoot, 'build/Release/dagdrive_holder')
  const [many, channel, dropped] = JSON.parse(program('python3', [script, folder, holder])) as number[][]
  t.deepEqual(many, [0, 32, 0], 'no channel, the key, no additional descriptor')
  t.deepEqual(channel, [1, 32, 1])
  t.deepEqual(dropped, [0, 0, 0])
  t.false(readdirSync(folder).includes('socket'))
})

/** The daemon that the holder starts exits at once. Another process then gets its pid, and the next daemon is due. */
const NUMBERS = `
import array, json, os, signal, socket, subprocess, sys, time
folder, holder = sys.argv[1:3]
lock, path, started = (os.path.join(folder, name) for name in ('lock', 'socket', 'started'))
with open(lock, 'w') as file:
    file.write('{"pid":%d}' % os.getpid())
leak = os.open(lock, os.O_RDWR)
words = [holder, path, lock, os.path.join(folder, 'log'), '1048576']
process = subprocess.Popen(words, stdout=subprocess.PIPE, pass_fds=[leak])
process.stdout.readline()
owned = [os.readlink('/proc/%d/fd/%s' % (process.pid, fd)) for fd in os.listdir('/proc/%d/fd' % process.pid)]

def serve():
    link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    link.connect(path)
    pipe = os.pipe()
    link.sendmsg([b'C' + b'\\0'.join([b'/bin/sh', b'-c', b'echo $$ >> ' + started.encode()]) + b'\\0'])
    link.sendmsg([b'G'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [pipe[0]]))])
    time.sleep(1)
    return link

def numbers():
    try:
        with open(started) as file:
            return [int(line) for line in file]
    except FileNotFoundError:
        return []

def within_minutes(holds):
    for _ in range(6000):
        if holds():
            return True
        time.sleep(0.02)
    return False

def next_number(count):
    return numbers()[-1] if within_minutes(lambda: len(numbers()) >= count) else None

serve().close()
ended = next_number(1)
link = serve()
reaped = within_minutes(lambda: not os.path.exists('/proc/%d' % ended))
stranger = None
for _ in range(50 if os.geteuid() == 0 else 0):
    with open('/proc/sys/kernel/ns_last_pid', 'w') as file:
        file.write(str(ended - 1))
    other = subprocess.Popen(['sleep', '60'])
    if other.pid == ended:
        stranger = other
        break
    other.kill()
    other.wait()
before = len(numbers())
link.close()
after = next_number(before + 1)
if stranger:
    stranger.kill()
process.kill()
print(json.dumps([lock in owned, reaped, stranger is not None, after is not None]))
`

test('S-085 a foreign process with the pid of an ended daemon does not prevent the next start', (t: ExecutionContext) => {
  const folder = temporaryFolder(t, 'numbers')
  const script = join(folder, 'numbers.py')
  writeFileSync(script, NUMBERS)
  const holder = join(projectRoot, 'build/Release/dagdrive_holder')
  const isRoot = process.geteuid?.() === 0
  // In a namespace of its own, no other process takes the pid.
  const alone = isRoot ? ['--pid', '--fork', '--mount-proc'] : []
  const found = JSON.parse(program('unshare', [...alone, 'python3', script, folder, holder])) as boolean[]
  const [leaks, isReaped, isNumberTaken, isNextStarted] = found
  t.false(leaks, 'the holder has no inherited descriptor')
  t.true(isReaped)
  if (isRoot) t.true(isNumberTaken)
  t.true(isNextStarted)
})
