/**
 * The pins and name records of a block store. They protect blocks from garbage collection and locate the drive. So they
 * are stored in two equal files, `roots` and `roots.copy`. Each file has one line of JSON and then the SHA-256 of that
 * line. The valid file with the greater number is used.
 */
import { hash } from 'node:crypto'
import { join } from 'node:path'
import { DriveError } from '../../base/index.js'
import { readRegularFile, syncDirectoryLater } from '../../platform/index.js'
import { parseCid } from '../../dag/index.js'
import type { CidText } from '../contract.js'
import { replaceFile } from './replace-file.js'

const FILES = ['roots', 'roots.copy'] as const
const MOST_BYTES = 16 * 1024 * 1024
/**
 * The roots and commits of replaced versions are kept, about 2 KB each. They let a device that was offline prove that
 * the newest version descends from its own.
 */
const MOST_FORMER = 1000
const MOST_RECORD_BYTES = 10 * 1024
/** Limit of pins and of names. A drive has a few pins, and one name per device. */
const MOST_ENTRIES = 10_000
const PRINTABLE = /^[\x20-\x7e]{0,255}$/

export interface Roots {
  readonly pins: ReadonlyMap<CidText, string>
  readonly names: ReadonlyMap<CidText, Uint8Array>
  /** Roots that were pinned earlier, oldest first; see `MOST_FORMER`. */
  readonly former: readonly CidText[]
  /** Both files were damaged at some time: earlier pins and names are missing here. */
  readonly areIncomplete: boolean
}

/** The changes of one commit. */
export interface RootChanges {
  readonly pinned?: { readonly cid: CidText; readonly name: string } | undefined
  readonly unpinned?: CidText | undefined
  readonly record?: { readonly name: CidText; readonly bytes: Uint8Array } | undefined
}

interface Wire {
  readonly number: number
  readonly areIncomplete: boolean
  readonly pins: readonly (readonly [CidText, string])[]
  readonly names: readonly (readonly [CidText, string])[]
  /** Absent in files from older versions. */
  readonly former?: readonly CidText[]
}

export class RootsFile {
  readonly #directory: string
  #number: number
  #roots: Roots

  private constructor(directory: string, number: number, roots: Roots) {
    this.#directory = directory
    this.#number = number
    this.#roots = roots
  }

  static async open(directory: string): Promise<RootsFile> {
    const texts = await Promise.all(FILES.map((name) => readRegularFile(join(directory, name), MOST_BYTES)))
    const sound = texts.flatMap((text) => (text === undefined ? [] : (parse(text) ?? [])))
    const best = sound.sort((a, b) => b.number - a.number)[0]
    if (best !== undefined) return new RootsFile(directory, best.number, best.roots)
    const areIncomplete = texts.some((text) => text !== undefined)
    return new RootsFile(directory, 0, { pins: new Map(), names: new Map(), former: [], areIncomplete })
  }

  get now(): Roots {
    return this.#roots
  }

  /** See `replace`. A root that is unpinned becomes a former one. */
  async change({ pinned, unpinned, record }: RootChanges): Promise<void> {
    const pins = new Map(this.#roots.pins)
    const names = new Map(this.#roots.names)
    let { former } = this.#roots
    if (pinned !== undefined) pins.set(pinned.cid, pinned.name)
    if (unpinned !== undefined && pins.delete(unpinned)) former = [...former, unpinned].slice(-MOST_FORMER)
    if (pinned !== undefined) former = former.filter((cid) => cid !== pinned.cid)
    if (record !== undefined) names.set(record.name, Uint8Array.from(record.bytes))
    await this.replace({ ...this.#roots, pins, names, former })
  }

  /** Durable when it resolves. @throws INVALID for a pin name that could not be read back */
  async replace(roots: Roots): Promise<void> {
    const number = this.#number + 1
    const line = JSON.stringify({
      number,
      areIncomplete: roots.areIncomplete,
      pins: [...roots.pins],
      names: Array.from(roots.names, ([name, bytes]) => [name, Buffer.from(bytes).toString('base64')] as const),
      former: roots.former,
    } satisfies Wire)
    const content = Buffer.from(`${line}\n${hash('sha256', line)}\n`)
    if (content.length > MOST_BYTES || parse(content) === undefined)
      throw new DriveError('INVALID', 'A pin or a name has a form that the block store cannot store.')
    for (const name of FILES) await replaceFile(join(this.#directory, name), content)
    await syncDirectoryLater(this.#directory)
    this.#number = number
    this.#roots = roots
  }
}

function parse(content: Buffer): { number: number; roots: Roots } | undefined {
  const [line, sum] = content.toString('utf8').split('\n')
  if (line === undefined || hash('sha256', line) !== sum) return undefined
  try {
    const wire = JSON.parse(line) as Wire
    if (wire.pins.length > MOST_ENTRIES || wire.names.length > MOST_ENTRIES) return undefined
    const pins = new Map(wire.pins.map(([cid, name]) => [checkedCid(cid), checkedName(name)]))
    const names = new Map(wire.names.map(([name, record]) => [checkedName(name), checkedRecord(record)]))
    if (!Number.isSafeInteger(wire.number)) return undefined
    const former = (wire.former ?? []).slice(-MOST_FORMER).map(checkedCid)
    return { number: wire.number, roots: { pins, names, former, areIncomplete: wire.areIncomplete === true } }
  } catch {
    // An unknown form counts as damaged.
    return undefined
  }
}

function checkedCid(text: unknown): CidText {
  const cid = checkedName(text)
  parseCid(cid)
  return cid
}

function checkedName(text: unknown): string {
  if (typeof text !== 'string' || !PRINTABLE.test(text)) throw new TypeError('not a printable text')
  return text
}

function checkedRecord(text: unknown): Uint8Array {
  if (typeof text !== 'string' || text.length > 2 * MOST_RECORD_BYTES) throw new TypeError('not a record')
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length > MOST_RECORD_BYTES) throw new TypeError('not a record')
  return bytes
}
