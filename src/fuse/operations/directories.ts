/** Lists directories, with and without attributes. Adds `.` and `..`, because the tree does not list them. */
import type { DirectoryEntry, Opened } from '../../vfs/index.js'
import { nameFromText, type PlainName } from '../../base/index.js'
import { ENTRY_BYTES, direntBytes, putDirent, putDirentPlus, putOpenOut } from '../protocol/reply.js'
import { OP, OPENED, READ_IN, RELEASE_IN, REPLY_HEADER_BYTES } from '../protocol/protocol.js'
import { readExact } from '../protocol/read-request.js'
import type { Request } from '../protocol/request.js'
import type { MountSession } from './session.js'
import { Words } from '../protocol/words.js'

const DT_DIR = 4
/** `.` and `..` take the offsets 1 and 2; an entry's offset is its cookie + 2. */
const DOTS = 2
const DOT = nameFromText('.')
const DOT_DOT = nameFromText('..')
const LISTING_BYTES = 128 * 1024
const SPARE_LISTINGS = 4

/** The buffer of an unfinished listing. Filling it can take several async steps, so each request has its own. */
interface Listing {
  readonly words: Words
  used: number
  limit: number
}

const spare: Listing[] = []

function takeListing(limit: number): Listing {
  const listing = spare.pop() ?? { words: new Words(new ArrayBuffer(LISTING_BYTES), 0, LISTING_BYTES), used: 0, limit }
  listing.used = 0
  listing.limit = Math.min(limit, LISTING_BYTES)
  return listing
}

function giveBack(listing: Listing): void {
  if (spare.length < SPARE_LISTINGS) spare.push(listing)
}

export function answerOpenDirectory(s: MountSession, r: Request): void {
  s.settle(r, s.tree.openDirectory(r.nodeId, r), replyOpened)
}

function replyOpened(s: MountSession, r: Request, opened: Opened): void {
  s.openedDirectory(opened.handle, r.nodeId)
  const flags = OPENED.CACHE_DIR | (opened.keepCache ? OPENED.KEEP_CACHE : 0)
  if (s.send(r, putOpenOut(s.out, REPLY_HEADER_BYTES, opened.handle, flags))) return
  s.releasedDirectory(opened.handle)
  s.tree.releaseDirectory(r.nodeId, opened.handle)
}

export function answerReleaseDirectory(s: MountSession, r: Request, at: number): void {
  const handle = readExact(s, at + RELEASE_IN.handle)
  s.releasedDirectory(handle)
  s.tree.releaseDirectory(r.nodeId, handle)
  s.sendOk(r)
}

/** READDIR and READDIRPLUS. */
export function answerReadDirectory(s: MountSession, r: Request, at: number): void {
  const handle = readExact(s, at + READ_IN.handle)
  const offset = readExact(s, at + READ_IN.offset)
  const plus = r.opcode === OP.READDIRPLUS
  const listing = takeListing(s.in.u32(at + READ_IN.size))
  if (offset < 1) addDot(listing, DOT, r.nodeId, 1, plus)
  if (offset < 2) addDot(listing, DOT_DOT, s.tree.parentOf(r.nodeId), 2, plus)
  const visit = (entry: DirectoryEntry): boolean => addEntry(s, listing, entry, plus)
  let done: void | Promise<void>
  try {
    done = s.tree.readDirectory(
      r.nodeId,
      handle,
      { cookie: Math.max(0, offset - DOTS), withAttributes: plus, visit },
      r,
    )
  } catch (error) {
    releaseEntries(s, listing, plus)
    throw error
  }
  if (done instanceof Promise) {
    done = done.catch((error: unknown) => {
      releaseEntries(s, listing, plus)
      throw error
    })
  }
  s.settle(r, done, () => {
    if (s.sendData(r, [listing.words.bytes.subarray(0, listing.used)])) giveBack(listing)
    else releaseEntries(s, listing, plus)
  })
}

function addDot(listing: Listing, name: PlainName, ino: number, offset: number, plus: boolean): void {
  if (listing.used + direntBytes(name.length, plus) > listing.limit) return
  if (plus) listing.words.bytes.fill(0, listing.used, listing.used + ENTRY_BYTES)
  const at = listing.used + (plus ? ENTRY_BYTES : 0)
  listing.used = putDirent(listing.words, at, { ino, type: DT_DIR, name }, offset)
}

function addEntry(s: MountSession, listing: Listing, entry: DirectoryEntry, plus: boolean): boolean {
  if (listing.used + direntBytes(entry.name.length, plus) > listing.limit) return false
  const offset = entry.cookie + DOTS
  if (!plus) {
    listing.used = putDirent(listing.words, listing.used, entry, offset)
    return true
  }
  if (entry.attributes !== undefined) s.tree.remember(entry.ino)
  listing.used = putDirentPlus(listing.words, listing.used, entry, offset)
  return true
}

/** The kernel did not get the listing, so it does not hold the references in it: they are released. */
function releaseEntries(s: MountSession, listing: Listing, plus: boolean): void {
  for (let at = 0; plus && at < listing.used;) {
    const ino = listing.words.u64(at)
    if (ino !== 0) s.tree.forget(ino, 1)
    at += direntBytes(listing.words.u32(at + ENTRY_BYTES + 16), true)
  }
  giveBack(listing)
}
