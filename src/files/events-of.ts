/**
 * Converts the tree's changes to events. A file that an upload put in place is one event: `added`, or `changed` if it
 * replaces a file.
 */
import { nameToText, type PlainName } from '../base/index.js'
import type { Change, Identities, NamePlace } from '../vfs/index.js'
import type { NewEvent } from './event-log.js'
import { idText, typeOf } from './file-info.js'
import type { Origins } from './origins.js'

export function eventsOf(changes: readonly Change[], identities: Identities, origins: Origins): NewEvent[] {
  const events: NewEvent[] = []
  for (const [index, change] of changes.entries()) {
    const at = placeOf(change, identities)
    const next = changes[index + 1]
    // A file replaced by an upload keeps its id, so no `removed` event is made.
    if (change.kind === 'removed' && next?.kind === 'placed' && isSame(next.at, change.at)) continue
    const origin = origins.take(change)
    const { ino, fileId, type } = change
    const where = {
      id: idText(fileId),
      parentId: parentOf(identities, at),
      name: at === undefined ? '' : nameToText(at.name),
      type: typeOf(type),
      origin,
    }
    if (change.kind === 'placed') {
      const before = changes[index - 1]
      const replaces = before?.kind === 'removed' && before.ino !== ino && isSame(before.at, change.at)
      events.push({ kind: replaces ? 'changed' : 'added', ...where })
    } else if (change.kind === 'moved') {
      const { parent, name } = change.from
      events.push({
        kind: 'moved',
        ...where,
        from: { parentId: parentOf(identities, { parent, name }), name: nameToText(name) },
      })
    } else events.push({ kind: change.kind, ...where })
  }
  return events
}

function placeOf(change: Change, identities: Identities): NamePlace | undefined {
  if (change.kind === 'changed') return identities.nameOf(change.ino)
  return change.kind === 'moved' ? change.to : change.at
}

function parentOf(identities: Identities, at: NamePlace | undefined): string {
  const id = at === undefined ? undefined : identities.find(at.parent)
  return id === undefined ? '' : idText(id)
}

const isSame = (a: { parent: number; name: PlainName }, b: { parent: number; name: PlainName }): boolean =>
  a.parent === b.parent && a.name === b.name
