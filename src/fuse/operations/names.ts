/** Operations on names: lookup, create, remove, rename and link. */
import type { Attributes } from '../../vfs/index.js'
import { nameFromText, type PlainName } from '../../base/index.js'
import { LINK_IN, MKDIR_IN, MKNOD_IN, RENAME2_IN, RENAME_IN, REPLY_HEADER_BYTES } from '../protocol/protocol.js'
import { readExact, readName, readString } from '../protocol/read-request.js'
import { putEntryOut, putNegativeEntry } from '../protocol/reply.js'
import type { Request } from '../protocol/request.js'
import type { MountSession } from './session.js'

const DOT = nameFromText('.')
const DOT_DOT = nameFromText('..')

/** Grants the kernel a reference. Releases it if the kernel did not accept the reply. */
export function replyEntry(s: MountSession, r: Request, attributes: Attributes): void {
  s.tree.remember(attributes.ino)
  const length = putEntryOut(s.out, REPLY_HEADER_BYTES, attributes)
  if (!s.send(r, length)) s.tree.forget(attributes.ino, 1)
}

function replyLookup(s: MountSession, r: Request, attributes: Attributes | undefined): void {
  if (attributes !== undefined) replyEntry(s, r, attributes)
  else s.send(r, putNegativeEntry(s.out, REPLY_HEADER_BYTES))
}

export function replyOk(s: MountSession, r: Request): void {
  s.sendOk(r)
}

/** `.` and `..` occur with NFS export, where the kernel has an inode without a name. */
export function answerLookup(s: MountSession, r: Request, at: number, end: number): void {
  const name: PlainName = readName(s, at, end)
  if (name === DOT) s.settle(r, s.tree.getAttributes(r.nodeId, r), replyEntry)
  else if (name === DOT_DOT) s.settle(r, s.tree.getAttributes(s.tree.parentOf(r.nodeId), r), replyEntry)
  else s.settle(r, s.tree.lookup(r.nodeId, name, r), replyLookup)
}

export function answerMakeNode(s: MountSession, r: Request, at: number, end: number): void {
  const name = readName(s, at + MKNOD_IN.bytes, end)
  if (s.usesUmask) r.umask = s.in.u32(at + MKNOD_IN.umask)
  const made = s.tree.makeNode(r.nodeId, name, s.in.u32(at + MKNOD_IN.mode), s.in.u32(at + MKNOD_IN.rdev), r)
  s.settle(r, made, replyEntry)
}

export function answerMakeDirectory(s: MountSession, r: Request, at: number, end: number): void {
  const name = readName(s, at + MKDIR_IN.bytes, end)
  if (s.usesUmask) r.umask = s.in.u32(at + MKDIR_IN.umask)
  s.settle(r, s.tree.makeDirectory(r.nodeId, name, s.in.u32(at + MKDIR_IN.mode), r), replyEntry)
}

export function answerMakeSymlink(s: MountSession, r: Request, at: number, end: number): void {
  const name = readName(s, at, end)
  const target = Buffer.from(readString(s, s.cursor, end), 'latin1')
  s.settle(r, s.tree.makeSymlink(r.nodeId, name, target, r), replyEntry)
}

export function answerReadLink(s: MountSession, r: Request): void {
  s.settle(r, s.tree.readLink(r.nodeId, r), (session, request, target) => {
    session.sendData(request, [target])
  })
}

export function answerLink(s: MountSession, r: Request, at: number, end: number): void {
  const name = readName(s, at + LINK_IN.bytes, end)
  s.settle(r, s.tree.link(readExact(s, at + LINK_IN.nodeId), r.nodeId, name, r), replyEntry)
}

export function answerUnlink(s: MountSession, r: Request, at: number, end: number): void {
  s.settle(r, s.tree.unlink(r.nodeId, readName(s, at, end), r), replyOk)
}

export function answerRemoveDirectory(s: MountSession, r: Request, at: number, end: number): void {
  s.settle(r, s.tree.removeDirectory(r.nodeId, readName(s, at, end), r), replyOk)
}

export function answerRename(s: MountSession, r: Request, at: number, end: number): void {
  renameWith(s, r, at + RENAME_IN.bytes, end, { newParent: readExact(s, at + RENAME_IN.newParent), flags: 0 })
}

export function answerRename2(s: MountSession, r: Request, at: number, end: number): void {
  const flags = s.in.u32(at + RENAME2_IN.flags)
  renameWith(s, r, at + RENAME2_IN.bytes, end, { newParent: readExact(s, at + RENAME2_IN.newParent), flags })
}

function renameWith(
  s: MountSession,
  r: Request,
  at: number,
  end: number,
  { newParent, flags }: { newParent: number; flags: number },
): void {
  const name = readName(s, at, end)
  const newName = readName(s, s.cursor, end)
  s.settle(r, s.tree.rename({ parent: r.nodeId, name }, { parent: newParent, name: newName }, flags, r), replyOk)
}
