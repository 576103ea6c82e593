import { closeSync, mkdtempSync, openSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { silentLog } from '../../base/index.js'
import { scratchDrive } from '../../../test/support/vfs/drive.js'
import { REPLY_HEADER_BYTES } from '../protocol/protocol.js'
import { createNativeTransport } from './native-transport.js'
import { CHANNEL_MODE, type FuseNative } from './native.js'
import { SHARED_BYTES, SharedState } from '../holder/shared-state.js'

test('S-084 the resend request is sent before anything is read: a later request does not arrive twice', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'dagdrive-order-'))
  const scratch = scratchDrive()
  const drive = await scratch.open()
  const fd = openSync(join(folder, 'channel'), 'w')
  const state = new SharedState(new ArrayBuffer(SHARED_BYTES))
  state.begin('a mount')
  state.negotiated = { minor: 45, flags: 0, flags2: 1 << 7 }
  let askedBefore = -1
  const addon = {
    mapShared: () => state.memory,
    openChannel: () => {
      askedBefore = statSync(join(folder, 'channel')).size
      const memory = new ArrayBuffer(8 << 20)
      return { memory, reply: () => 0, replyWith: () => 0, abortAtExit: () => 0, guard: () => 0, stop: () => 0 }
    },
  } as unknown as FuseNative
  const transport = createNativeTransport(addon, CHANNEL_MODE.POLL)
  const living = { mountpoint: join(folder, 'nothing'), channel: fd, sharedMemory: 0 }
  const mount = await transport.takeOver!(drive.tree, living, {}, silentLog)
  mount.release()
  t.is(askedBefore, REPLY_HEADER_BYTES)
  closeSync(fd)
  await drive.shut()
  scratch.remove()
  rmSync(folder, { recursive: true, force: true })
})
