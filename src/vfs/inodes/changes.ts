/**
 * Events of the tree, in order. Listeners are called on this thread, at the end of the event loop turn in which the
 * events happened. Without a listener an event costs one comparison.
 */
import type { FileId, PlainName } from '../../base/index.js'
import type { NamePlace } from '../tree.js'

interface Subject {
  readonly ino: number
  readonly fileId: FileId
  /** S_IFMT bits of the mode, shifted right by 12. */
  readonly type: number
}

/**
 * `added`: a name, of a new inode or a hard link. `changed`: content, attributes or extended attributes, but not the
 * times of a directory whose entries changed. `placed`: a complete file got its first name; after `removed` of the same
 * name it replaces that file. `moved`: a name; an exchange gives two of them. `removed`: a name; the
 * file may have other names, or be open.
 */
export type Change =
  | (Subject & { readonly kind: 'added'; readonly at: NamePlace })
  | (Subject & { readonly kind: 'changed' })
  | (Subject & { readonly kind: 'placed'; readonly at: NamePlace })
  | (Subject & { readonly kind: 'moved'; readonly from: NamePlace; readonly to: NamePlace })
  | (Subject & { readonly kind: 'removed'; readonly at: NamePlace })

export type ChangeListener = (changes: readonly Change[]) => void

export class Changes {
  readonly #listeners = new Set<ChangeListener>()
  readonly #onFailure: (error: unknown) => void
  /** Called in the turn of each change of a name. */
  onName: () => void = () => undefined
  #waiting: Change[] = []

  /** @param onFailure gets errors thrown by a listener */
  constructor(onFailure: (error: unknown) => void) {
    this.#onFailure = onFailure
  }

  /** @returns a function that removes the listener */
  listen(listener: ChangeListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  added(inode: Subject, parent: number, name: PlainName): void {
    this.onName()
    if (this.#listeners.size > 0) this.#send({ kind: 'added', ...subjectOf(inode), at: { parent, name } })
  }

  /** Consecutive changes of one inode become one event. */
  changed(inode: Subject & { readonly nlink: number }): void {
    if (this.#listeners.size === 0 || inode.nlink === 0) return
    const last = this.#waiting.at(-1)
    if (last?.kind !== 'changed' || last.ino !== inode.ino) this.#send({ kind: 'changed', ...subjectOf(inode) })
  }

  placed(inode: Subject, parent: number, name: PlainName): void {
    this.onName()
    if (this.#listeners.size > 0) this.#send({ kind: 'placed', ...subjectOf(inode), at: { parent, name } })
  }

  moved(inode: Subject, from: NamePlace, to: NamePlace): void {
    this.onName()
    if (this.#listeners.size > 0) this.#send({ kind: 'moved', ...subjectOf(inode), from, to })
  }

  removed(inode: Subject, parent: number, name: PlainName): void {
    this.onName()
    if (this.#listeners.size > 0) this.#send({ kind: 'removed', ...subjectOf(inode), at: { parent, name } })
  }

  #send(change: Change): void {
    if (this.#waiting.push(change) === 1) setImmediate(() => this.#deliver())
  }

  #deliver(): void {
    const changes = this.#waiting
    this.#waiting = []
    for (const listener of this.#listeners) {
      try {
        listener(changes)
      } catch (error) {
        this.#onFailure(error)
      }
    }
  }
}

const subjectOf = ({ ino, fileId, type }: Subject): Subject => ({ ino, fileId, type })
