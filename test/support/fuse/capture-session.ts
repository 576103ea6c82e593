/**
 * Records the requests of this machine's kernel and our replies while programs use a memory tree with a stopped clock:
 * `node dist/test/support/fuse/capture-session.js > fixtures/fuse/session.jsonl` (as root). One line for each request.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog } from '../../../src/base/index.js'
import { MemoryTree } from './memory/memory-tree.js'
import {
  CHANNEL_MODE,
  loadFuseNative,
  type FuseNative,
  type NativeChannel,
} from '../../../src/fuse/transports/native.js'
import { createNativeTransport } from '../../../src/fuse/transports/native-transport.js'
import { STOPPED_CLOCK } from './loopback.js'

const PROGRAMS = `
  mkdir d; echo hello > d/f; cat d/f; stat -c %W d/f; ln d/f d/g; ln -s target s; readlink s; mkfifo p; (test -x d/f || true); ls -la . d
  mv d/f d/h; mv -n d/h d/g; chmod 600 d/g; chown 1:2 d/g; touch -d @-1.5 d/g; truncate -s 3 d/g
  setfattr -n user.x -v y d/g; getfattr -d d/g; setfattr -x user.x d/g
  fallocate -l 10000 d/big; fallocate -p -o 0 -l 4096 d/big; cp d/big d/copy; cp d/h d/other; sync d/copy; df .
  python3 -c "import os; f=os.open('d/big',os.O_RDWR); os.write(f,b'w'); os.lseek(f,0,os.SEEK_DATA); os.fsync(f); os.fdatasync(f)"
  rm d/g; rm -rf d s p`

function recording(channel: NativeChannel, outAt: number, pending: string[]): NativeChannel {
  const bytes = Buffer.from(channel.memory)
  const record = (reply: Buffer): void => {
    const request = pending.shift() ?? ''
    process.stdout.write(`${JSON.stringify({ request, reply: reply.toString('hex') })}\n`)
  }
  return {
    memory: channel.memory,
    abortAtExit: (path, keeps) => channel.abortAtExit(path, keeps),
    guard: (on) => channel.guard(on),
    stop: () => channel.stop(),
    reply(length) {
      record(bytes.subarray(outAt, outAt + length))
      return channel.reply(length)
    },
    replyWith(headLength, segments) {
      const whole = Buffer.concat([bytes.subarray(outAt, outAt + headLength), ...segments])
      whole.writeUInt32LE(whole.length, 0)
      record(whole)
      return channel.replyWith(headLength, segments)
    },
  }
}

/** Delivers one request at a time, so that a reply always belongs to the last request. */
function recordingAddon(addon: FuseNative): FuseNative {
  return {
    ...addon,
    openChannel(settings) {
      const { arenaBytes, maxBatch, onBatch } = settings
      const pending: string[] = []
      const onRequests = (count: number): void => {
        const index = new Uint32Array(channel.memory, arenaBytes, maxBatch * 2)
        for (let i = 0; i < count; i++) {
          index.copyWithin(0, i * 2, i * 2 + 2)
          pending.push(Buffer.from(channel.memory, index[0], index[1]).toString('hex'))
          onBatch(1)
          const request = pending.shift()
          if (request !== undefined) process.stdout.write(`${JSON.stringify({ request })}\n`)
        }
      }
      const opened = addon.openChannel({ ...settings, onBatch: onRequests })
      if (typeof opened === 'number') return opened
      const channel = opened
      return recording(channel, arenaBytes + maxBatch * 8, pending)
    },
  }
}

async function main(): Promise<void> {
  const native = loadFuseNative()
  if (!('addon' in native)) throw new Error(native.reason)
  const directory = await mkdtemp(join(tmpdir(), 'dagdrive-capture-'))
  const tree = new MemoryTree({ clock: STOPPED_CLOCK })
  const transport = createNativeTransport(recordingAddon(native.addon), CHANNEL_MODE.POLL)
  const mount = await transport.serve(
    tree,
    { mountpoint: directory, target: directory, replaces: false },
    {},
    silentLog,
  )
  await new Promise<void>((resolve) => {
    execFile('bash', ['-c', `cd ${directory}\n${PROGRAMS}`], (error, _out, errors) => {
      if (error !== null) process.stderr.write(errors)
      resolve()
    })
  })
  await mount.unmount()
  await rmdir(directory)
}

void main()
