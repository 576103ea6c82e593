/**
 * Access to the tree by path and by file id, for all clients except the kernel: the control API, Puter, WebDAV, the
 * folder mirror. All values are plain data, because callers run on another thread than the tree. Failures are
 * DriveErrors.
 */

/**
 * 32 hexadecimal digits: the identity that a file or directory keeps through rename, move and overwrite. As a
 * `parentId` it is empty for the root and for a file without a name.
 */
export type FileIdText = string

/**
 * Identifies a file. A path begins at the root of the drive, with or without a leading `/`. Its names are UTF-8 text;
 * `.` and `..` are refused. A file whose name is not UTF-8 is reached by id. Symbolic links are not followed.
 */
export type FilePlace = { readonly path: string } | { readonly id: FileIdText }

export type FileType = 'file' | 'directory' | 'symlink' | 'fifo' | 'socket' | 'device'

export interface FileInfo {
  readonly id: FileIdText
  /** Text for display. If `nameBytes` is present, bytes that are not UTF-8 are shown as U+FFFD. */
  readonly name: string
  /** Base64 of the name, only if it is not UTF-8. */
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
  /** Changes with every change of content or attributes; used in conditional requests. */
  readonly revision: string
}

export interface ListPage {
  readonly entries: readonly FileInfo[]
  /**
   * The cursor for the next call; absent at the end. Unchanged entries are neither skipped nor repeated when others
   * change meanwhile.
   */
  readonly cursor?: string
}

/** Conditions on the current file at the target; EXISTS, NOT_FOUND or STALE when they do not hold. */
export interface Condition {
  /** Only if the path does not exist. */
  readonly ifAbsent?: boolean
  /** Only if the file has this revision. */
  readonly ifRevision?: string
}

/**
 * One change of the tree. Events of one drive are ordered by `sequence`, which grows by one with each event. Each run
 * begins at a random number.
 */
export interface FileEvent {
  readonly sequence: number
  readonly kind: 'added' | 'changed' | 'moved' | 'removed'
  readonly id: FileIdText
  readonly parentId: FileIdText
  /** Empty if the file has no name any more when the event is made. */
  readonly name: string
  readonly type: FileType
  /** For `moved`: the previous place. */
  readonly from?: { readonly parentId: FileIdText; readonly name: string }
  /** The author of the change: `kernel`, or the name that a client of this interface chose. */
  readonly origin: string
}

export interface Events {
  readonly events: readonly FileEvent[]
  /** The sequence number for the next call. */
  readonly next: number
  /** Events before the first one here are missing: list the directories again. */
  readonly isIncomplete: boolean
}

/** An open file of this interface. */
export interface OpenFile {
  readonly handle: number
  readonly info: FileInfo
}

/** The names of all methods of `Files`, for the code that forwards them between threads. */
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
 * Served on the drive thread. A call that changes names is answered when the change is `staged`. Every changing call
 * takes the origin that marks its changes.
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
   * Starts a write of new content for `path`. The tree shows it only after `commit`: readers see the old content or the
   * new one, never a mixture. The new file keeps the id, mode, owner and extended attributes of the one it replaces.
   * EXISTS if the path is a link or special file, TOO_MANY_LINKS if the file has other names.
   */
  beginWrite(path: string, options: Condition & { readonly mode?: number }, origin: string): Promise<number>
  /** Appends; the level reached is `held`. Wait for each call before the next one. */
  append(upload: number, bytes: Uint8Array): Promise<void>
  /** Level reached: `staged`. The conditions are checked again. */
  commit(upload: number): Promise<FileInfo>
  /** Discards the new content. Unknown numbers are ignored. */
  abandon(upload: number): Promise<void>
  makeDirectory(path: string, options: { readonly parents: boolean }, origin: string): Promise<FileInfo>
  /** EXISTS if `to` exists, unless `replace`. */
  rename(from: FilePlace, to: string, options: { readonly replace: boolean }, origin: string): Promise<FileInfo>
  /**
   * A directory with entries is NOT_EMPTY, unless `recursive`. ABORTED by `signal`: entries removed before stay
   * removed.
   */
  remove(
    place: FilePlace,
    options: { readonly recursive: boolean },
    origin: string,
    signal?: AbortSignal,
  ): Promise<void>
  /**
   * Events from sequence number `from` on (0: only future ones). Answers at once if there are some. Otherwise waits for
   * the next events, and answers with none after `waitMs`.
   */
  events(
    from: number,
    options: { readonly limit: number; readonly waitMs: number },
    signal?: AbortSignal,
  ): Promise<Events>
}
