/** The description of a file for callers: attributes and identity as plain data. */
import { equalBytes, hex, nameToBytes, nameToText, type FileId, type PlainName } from '../base/index.js'
import type { Attributes } from '../vfs/index.js'
import type { FileIdText, FileInfo, FileType } from './contract.js'

/** S_IFMT bits shifted right by 12 (DT_*), see inode(7). */
const TYPES: Readonly<Record<number, FileType>> = {
  1: 'fifo',
  2: 'device',
  4: 'directory',
  6: 'device',
  8: 'file',
  10: 'symlink',
  12: 'socket',
}

export const typeOf = (type: number): FileType => TYPES[type] ?? 'file'
export const idText = (id: FileId): FileIdText => hex(id)

export interface Identity {
  readonly id: FileId
  readonly parentId: FileId | undefined
  readonly name: PlainName | undefined
}

export function fileInfo(attributes: Attributes, { id, parentId, name }: Identity): FileInfo {
  return {
    id: idText(id),
    ...namesFor(name),
    parentId: parentId === undefined ? '' : idText(parentId),
    type: typeOf(attributes.mode >>> 12),
    mode: attributes.mode & 0o7777,
    uid: attributes.uid,
    gid: attributes.gid,
    size: attributes.size,
    links: attributes.nlink,
    modifiedMs: toMs(attributes.mtimeSec, attributes.mtimeNsec),
    changedMs: toMs(attributes.ctimeSec, attributes.ctimeNsec),
    createdMs: toMs(attributes.btimeSec, attributes.btimeNsec),
    revision: revisionOf(attributes),
  }
}

/** Every change sets ctime. The size usually distinguishes two changes within one tick of a coarse clock. */
export function revisionOf({ ctimeSec, ctimeNsec, size }: Attributes): string {
  return `${ctimeSec.toString(36)}-${ctimeNsec.toString(36)}-${size.toString(36)}`
}

function namesFor(name: PlainName | undefined): Pick<FileInfo, 'name' | 'nameBytes'> {
  if (name === undefined) return { name: '' }
  const text = nameToText(name)
  const bytes = nameToBytes(name)
  return equalBytes(Buffer.from(text), bytes) ? { name: text } : { name: text, nameBytes: bytes.toString('base64') }
}

const toMs = (sec: number, nsec: number): number => sec * 1000 + Math.floor(nsec / 1_000_000)
