/** Reads the drive name and the names of the known devices from a node. Sets aside records that no device writes. */
import { LAST_SLOT } from '../../dag/index.js'
import type { IpfsNode } from '../../node/index.js'
import type { SyncState } from '../state/sync-state.js'
import type { IgnoredHead } from './credible.js'
import { UNUSABLE, type DriveNames, type NamedHead } from './drive-names.js'

export interface HeadReader {
  readonly state: SyncState
  readonly node: Pick<IpfsNode, 'getName'>
  readonly names: DriveNames
  readonly deviceSlot: number
}

/** The heads on a node, as their records say. */
export interface Heads {
  readonly named: NamedHead | undefined
  /** Own slot first. */
  readonly devices: ReadonlyMap<number, NamedHead | undefined>
  /** Names whose record has a content that no device writes. They are undefined above. */
  readonly unusable: readonly IgnoredHead[]
}

/** @param all also looks for unknown devices */
export async function readHeads(
  { state, names, node, deviceSlot }: HeadReader,
  { signal, all = false }: { readonly signal?: AbortSignal | undefined; readonly all?: boolean },
): Promise<Heads> {
  const unusable: IgnoredHead[] = []
  const usable = (name: IgnoredHead['name'], shown: Shown): NamedHead | undefined => {
    if (shown !== UNUSABLE) return shown
    unusable.push({ name, sequence: undefined })
    return undefined
  }
  const read = (slot: number): Promise<Shown> => names.read(names.device(slot), node, { signal, lenient: true })
  const slots = [deviceSlot, ...state.devices.map(({ slot }) => slot).filter((slot) => slot !== deviceSlot)]
  const beyond = Math.max(...slots) + 1
  // Device heads are read first, because a device puts its own head before it moves the drive name.
  const found = await Promise.all(all && beyond <= LAST_SLOT ? [...slots, beyond].map(read) : slots.map(read))
  const devices = new Map(slots.map((slot, at) => [slot, usable(slot, found[at])]))
  // Slots are assigned in ascending order.
  for (let slot = beyond, next = found[slots.length]; next !== undefined; next = await read(slot)) {
    devices.set(slot, usable(slot, next))
    if (++slot > LAST_SLOT) break
  }
  const named = usable('drive', await names.read(names.drive, node, { signal, lenient: state.head === undefined }))
  return { devices, named, unusable }
}

type Shown = Awaited<ReturnType<DriveNames['read']>>
