/** Sync's persistent state, in the table `state` of its environment. */
import { equalBytes, type Digest } from '../../base/index.js'
import { openTables, type QueueTables } from '../../commits/index.js'
import { decodePlain, encodePlain } from './plain-record.js'
import type { Environment } from '../../storage/kv/index.js'
import type { RepairRounds, ScrubPosition } from '../check/contract.js'
import type { KnownHead, FastForward, Version } from '../contract.js'

/** The version this device's tree is based on: the last one it published, or the one it opened. */
export interface Head extends Version {
  /**
   * Sequence of the drive name's record, and the root it points to: this version, or, when a device starts, an ancestor
   * of it.
   */
  readonly nameSequence: number
  readonly namedRoot: Digest
  /** Meta sequence of the publish; 0 for a version another device made. */
  readonly sequence: number
  /** Depth of the pin tree; undefined when its nodes are not known here. */
  readonly forestBits: number | undefined
}

export interface HeadRecords {
  readonly device: Uint8Array
  readonly drive: Uint8Array
}

/**
 * A commit that is built but not settled. From `sending` on, it and everything it needs are durable, so after a crash
 * it continues with the same blocks. The phase says which step has begun. It does not say what a node holds: the node
 * is asked again.
 */
export interface Plan {
  /** `naming`: the names may point to it on some node. `settling`: the drive thread may evict blocks. */
  readonly phase: 'sending' | 'naming' | 'settling'
  /** The node whose confirmations are in `outgoing` (see `nodeIdentity`); undefined before anything was sent. */
  readonly node?: string
  readonly version: Version
  /** The head that the commit is based on; undefined for the first. */
  readonly base: Digest | undefined
  readonly nameSequence: number
  readonly sequence: number
  readonly removedBefore: number
  readonly forestBits: number
  readonly files: number
  readonly blocks: { readonly count: number; readonly bytes: number }
}

/** A node (see `nodeIdentity`) and the root of the version it confirmed last. */
export interface ConfirmedAt {
  readonly node: string
  readonly root: Digest
}

export interface DriveIdentity {
  readonly driveId: Uint8Array
}

/** Whether `live` is complete for `head`. While false, it is being counted; see publish/import-live.ts. */
export interface LiveState {
  readonly root: Digest
  readonly isComplete: boolean
  /** While it is counted: which part is done. */
  readonly step?: 'tree' | 'counts'
  /** A part of the version cannot be decoded, or the node does not have it, so it was not counted. */
  readonly gap?: 'undecodable' | 'missing'
  /** The pin tree of the head lacks blocks of `live`, or its refcounts are unreadable: published without a change. */
  readonly isToBeReplaced?: boolean
}

export class SyncState {
  readonly tables: QueueTables
  /** Cached, because there is no other writer. Still readable after the environment was closed. */
  readonly #values = new Map<string, unknown>()

  constructor(readonly queue: Environment) {
    this.tables = openTables(queue)
  }

  get head(): Head | undefined {
    return this.#read<Head>('head')
  }

  get plan(): Plan | undefined {
    return this.#read<Plan>('plan')
  }

  get takeOver(): FastForward | undefined {
    return this.#read<FastForward>('takeOver')
  }

  /** The newest head seen of each device. Our own is included only while it is behind a version we took over. */
  get devices(): readonly KnownHead[] {
    return this.#read<KnownHead[]>('devices') ?? []
  }

  /**
   * Merge bases: versions at which one device continued the work of another, the newest first. All are the head or
   * ancestors of it.
   */
  get bases(): readonly Digest[] {
    return this.#read<Digest[]>('bases') ?? []
  }

  /**
   * Versions that the next commit names besides those by height: where other devices are, if our head descends from
   * there, what nodes of before confirmed last, as devices may be there still, and where one device took over from
   * another. From all of them descent is shown without any version between.
   */
  get namedBases(): readonly Digest[] {
    const heads = this.devices.map(({ root }) => root).filter((root) => this.isPast(root))
    const all = [...heads, ...this.places.map(({ root }) => root), ...this.bases]
    return all.filter((root, i) => all.findIndex((one) => equalBytes(one, root)) === i)
  }

  get live(): LiveState | undefined {
    return this.#read<LiveState>('live')
  }

  /** The node that confirmed the head: its pin and its names. */
  get holder(): string | undefined {
    return this.#read<string>('holder')
  }

  /** The nodes this drive was on, the last first. The version there is the head or an ancestor of it. */
  get places(): readonly ConfirmedAt[] {
    return this.#read<ConfirmedAt[]>('places') ?? []
  }

  /**
   * Records that a node has confirmed this version, which is the head or is about to be. Durable with the next commit.
   */
  confirmedBy(node: string, root: Digest): void {
    const others = this.places.filter((place) => place.node !== node)
    this.put('places', [{ node, root }, ...others].slice(0, MOST_PLACES))
    this.put('holder', node)
  }

  /** The head descends from this version, as far as this device remembers. */
  isPast(root: Digest): boolean {
    const { head, pastHeads, places, bases } = this
    return [...(head?.commit.parents ?? []), ...bases, ...pastHeads, ...places.map((place) => place.root)].some((one) =>
      equalBytes(one, root),
    )
  }

  /** Another node than this one confirmed the head: older versions here are no rollback, and heads may be missing. */
  isHeldElsewhere(node: string): boolean {
    return this.holder !== undefined && this.holder !== node
  }

  /** Roots this device was based on before the head, the newest first. All are ancestors of the head. */
  get pastHeads(): readonly Digest[] {
    return this.#read<Digest[]>('pastHeads') ?? []
  }

  /** Roots of abandoned plans; their pins may be removed. */
  get abandoned(): readonly Digest[] {
    return this.#read<Digest[]>('abandoned') ?? []
  }

  /** The position of the scrub. */
  get scrub(): ScrubPosition | undefined {
    return this.#read<ScrubPosition>('scrub')
  }

  /** The node that the table of damaged blocks is about. */
  get damageNode(): string | undefined {
    return this.#read<string>('damageNode')
  }

  /** The repairs of the scrub at this node; undefined if none was necessary. */
  get repairs(): RepairRounds | undefined {
    return this.#read<RepairRounds>('repairs')
  }

  /** Whether `live` may be wrong, and is to be counted again before the next version. */
  get isLiveDoubted(): boolean {
    return this.#read<boolean>('isLiveDoubted') === true
  }

  get identity(): DriveIdentity | undefined {
    return this.#read<DriveIdentity>('identity')
  }

  put(name: 'head', value: Head): void
  put(name: 'plan', value: Plan | undefined): void
  put(name: 'takeOver', value: FastForward | undefined): void
  put(name: 'bases', value: readonly Digest[]): void
  put(name: 'devices', value: readonly KnownHead[]): void
  put(name: 'live', value: LiveState): void
  put(name: 'isLiveDoubted', value: boolean): void
  put(name: 'holder' | 'damageNode', value: string | undefined): void
  put(name: 'places', value: readonly ConfirmedAt[]): void
  put(name: 'pastHeads' | 'abandoned', value: readonly Digest[]): void
  put(name: 'scrub', value: ScrubPosition): void
  put(name: 'repairs', value: RepairRounds | undefined): void
  put(name: 'identity', value: DriveIdentity): void
  put(name: string, value: unknown): void {
    this.#values.set(name, value)
    const key = Buffer.from(name)
    if (value === undefined) this.tables.state.delete(key)
    else this.tables.state.put(key, encodePlain(value))
  }

  #read<T>(name: string): T | undefined {
    if (!this.#values.has(name)) {
      const value = this.tables.state.get(Buffer.from(name))
      this.#values.set(name, value === undefined ? undefined : decodePlain<T>(value))
    }
    return this.#values.get(name) as T | undefined
  }
}

const MOST_PLACES = 16
/** Bounds the versions kept alive by heads of devices that were away for long. */
const MOST_PAST_HEADS = 64

/** Call it before a descendant of the head becomes the head. */
export function rememberHead(root: Digest, state: SyncState): void {
  const others = state.pastHeads.filter((one) => !equalBytes(one, root))
  state.put('pastHeads', [root, ...others].slice(0, MOST_PAST_HEADS))
}
