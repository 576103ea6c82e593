/**
 * Access to the tree by path and by file id, for everyone who is not the kernel: the control API, Puter, WebDAV, the
 * folder mirror. Everything here is plain data, since callers sit on another thread than the tree. Failures are
 * DriveErrors.
 */

/**
 * 32 hexadecimal digits: the identity that a file or directory keeps through rename, move and overwrite. As a
 * `parentId` it is empty for the root and for a file without a name.
 */
export type FileIdText = string

/**
 * Which file is meant. A path begins at the root of the drive, with or without a leading `/`; its names are UTF-8 text
 * and `.` or `..` are refused. A name that is no UTF-8 is reached by id. Symbolic links are not followed.
 */
export type FilePlace = { readonly path: string } | { readonly id: FileIdText }

export type FileType = 'file' | 'directory' | 'symlink' | 'fifo' | 'socket' | 'device'

export interface FileInfo {
  readonly id: FileIdText
  /** Text for display; where `nameBytes` is present, bytes that are no UTF-8 are shown as U+FFFD. */
  readonly name: string
  /** Base64 of the name, only where it is no UTF-8. */
  readonly nameBytes?: string
  readonly parentId: FileIdText
  readonly type: FileType
  /** Permission bits, 0 … 0o7777. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Bytes. */
  readonly size: number
  readonly links: number
  /** Milliseconds since 1970. */
  readonly modifiedMs: number
  readonly changedMs: number
  readonly createdMs: number
  /** Differs after every change of content or attributes; for conditional requests. */
  readonly revision: string
}

export interface ListPage {
  readonly entries: readonly FileInfo[]
  /**
   * Give it to the next call; absent at the end. Entries that stay are neither skipped nor repeated, whatever changes
   * meanwhile.
   */
  readonly cursor?: string
}

/** Conditions on what is at the target now; EXISTS, NOT_FOUND or STALE when they do not hold. */
export interface Condition {
  /** Only where nothing is there. */
  readonly ifAbsent?: boolean
  /** Only where the file there has this revision. */
  readonly ifRevision?: string
}

/**
 * One change of the tree. Events of one drive are ordered by `sequence`, which grows by one and begins at 1 when the
 * drive is opened.
 */
export interface FileEvent {
  readonly sequence: number
  readonly kind: 'added' | 'changed' | 'moved' | 'removed'
  readonly id: FileIdText
  readonly parentId: FileIdText
  /** Empty where the file has no name any more when this is told. */
  readonly name: string
  readonly type: FileType
  /** Of `moved`: where it was. */
  readonly from?: { readonly parentId: FileIdText; readonly name: string }
  /** Who made the change: `kernel`, or the name a client of this interface gave itself. */
  readonly origin: string
}

export interface Events {
  readonly events: readonly FileEvent[]
  /** Give it to the next call. */
  readonly next: number
  /** Events before the first one here are gone; list again. */
  readonly isIncomplete: boolean
}

/** An open file of this interface. */
export interface OpenFile {
  readonly handle: number
  readonly info: FileInfo
}

/** Every call of `Files`, for those who carry them from one thread to another. */
export const FILES_METHODS = [
  'stat',
  'list',
  'open',
  'read',
  'close',
  'beginWrite',
  'append',
  'commit',
  'abandon',
  'makeDirectory',
  'rename',
  'remove',
  'events',
] as const satisfies readonly (keyof Files)[]

/**
 * Served on the drive thread. A call that changes names is answered when the change is `staged`. Every call takes the
 * origin its changes are marked with.
 */
export interface Files {
  stat(place: FilePlace): Promise<FileInfo>
  /** @param limit entries at most, 1 … 1000 */
  list(place: FilePlace, options: { readonly cursor?: string; readonly limit: number }): Promise<ListPage>
  open(place: FilePlace): Promise<OpenFile>
  /** Up to `size` bytes (at most 1 MiB) from `offset` on; fewer only at the end of the file. */
  read(handle: number, offset: number, size: number): Promise<Uint8Array>
  close(handle: number): Promise<void>
  /**
   * Begins a new content for `path`, which the tree shows only when `commit` has put it in place: readers see the old
   * content or the new one, never a part. The new file keeps the id, mode, owner and extended
   * attributes of the one it replaces. EXISTS for a link or special file there, TOO_MANY_LINKS for a file with other
   * names.
   */
  beginWrite(path: string, options: Condition & { readonly mode?: number }, origin: string): Promise<number>
  /** Appends; the level reached is `held`. Wait for one before the next. */
  append(upload: number, bytes: Uint8Array): Promise<void>
  /** Level reached: `staged`. The conditions are checked once more. */
  commit(upload: number): Promise<FileInfo>
  /** Throws the new content away. Unknown numbers are ignored. */
  abandon(upload: number): Promise<void>
  makeDirectory(path: string, options: { readonly parents: boolean }, origin: string): Promise<FileInfo>
  /** EXISTS where something is at `to`, unless `replace`. */
  rename(from: FilePlace, to: string, options: { readonly replace: boolean }, origin: string): Promise<FileInfo>
  /**
   * A directory with entries is NOT_EMPTY, unless `recursive`. ABORTED by `signal`: what is removed by then is gone.
   */
  remove(
    place: FilePlace,
    options: { readonly recursive: boolean },
    origin: string,
    signal?: AbortSignal,
  ): Promise<void>
  /**
   * Events from sequence number `from` on (0: only those to come). Answers at once when there are some, else with the
   * first ones that come, or with none after `waitMs`.
   */
  events(
    from: number,
    options: { readonly limit: number; readonly waitMs: number },
    signal?: AbortSignal,
  ): Promise<Events>
}
