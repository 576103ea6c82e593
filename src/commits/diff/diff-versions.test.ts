import test from 'ava'
import { hex, nameFromText, nameToText, seededRandom, type FileId } from '../../base/index.js'
import { buildMap, directoryRows, linkRow, sortRows, type EntryRecord, type TreeRef } from '../../dag/index.js'
import { bareAttributes } from '../../model/index.js'
import { MemoryBlocks, type SeededRandom } from '../../../test/support/dag/blocks.js'
import { diffVersions, type DiffLimits } from './diff-versions.js'
import type { PlacedEntry, VersionChange } from './version-change.js'

interface File {
  readonly id: FileId
  readonly isDirectory: boolean
  mtime: number
  body: string
  /** For a directory: name → file id in hexadecimal. */
  readonly names: Map<string, string>
}

/** A tree that the test changes. */
class Model {
  constructor(
    readonly random: SeededRandom,
    readonly files = new Map<string, File>(),
    readonly root = '',
  ) {
    if (files.size === 0) this.root = this.make(true)
  }

  make(isDirectory: boolean): string {
    const id = this.random.bytes(16)
    this.files.set(hex(id), { id, isDirectory, mtime: 0, body: String(this.random.next(1e9)), names: new Map() })
    return hex(id)
  }

  copy(): Model {
    const files = [...this.files].map(([id, file]) => [id, { ...file, names: new Map(file.names) }] as const)
    return new Model(this.random, new Map(files), this.root)
  }

  get directories(): string[] {
    return [...this.reached].filter((id) => this.files.get(id)!.isDirectory)
  }

  /** Yields every name with its place and its object. */
  *names(
    at = this.root,
    path: readonly string[] = [],
  ): Generator<{ path: readonly string[]; parent: string; id: string }> {
    for (const [name, id] of this.files.get(at)!.names) {
      yield { path: [...path, name], parent: at, id }
      if (this.files.get(id)!.isDirectory) yield* this.names(id, [...path, name])
    }
  }

  get reached(): Set<string> {
    return new Set([this.root, ...[...this.names()].map(({ id }) => id)])
  }

  linksOf(id: string): number {
    return [...this.names()].filter((each) => each.id === id).length
  }

  /** Makes one random change. */
  step(): void {
    const { random } = this
    const pick = <T>(of: readonly T[]): T => of[random.next(of.length)]!
    const all = [...this.names()]
    const target = this.files.get(pick(this.directories))!.names
    const name = `name ${random.next(12)}`
    const kind = all.length < 8 ? random.next(2) : random.next(8)
    if (kind <= 1) return void (target.has(name) || target.set(name, this.make(kind === 1)))
    const { path, parent, id } = pick(all)
    const file = this.files.get(id)!
    if (kind === 2) file.body = String(random.next(1e9))
    else if (kind === 3) file.mtime++
    else if (kind === 4) this.files.get(parent)!.names.delete(path.at(-1)!)
    else if (kind === 5 && !file.isDirectory) target.set(name, id)
    else if (kind === 6 && file.isDirectory) this.files.get(parent)!.names.set(path.at(-1)!, this.make(true))
    else if (kind === 7) {
      const inside = new Set([id, ...[...this.names(id)].map((each) => each.id)])
      const outside = this.directories.filter((each) => !inside.has(each))
      const { names } = this.files.get(pick(outside))!
      this.files.get(parent)!.names.delete(path.at(-1)!)
      names.set(name, id)
    }
  }
}

interface Built {
  readonly root: EntryRecord
  readonly links: TreeRef | undefined
}

/** Builds versions that share equal nodes. */
class Builder {
  readonly blocks = new MemoryBlocks()
  readonly #known = new Map<string, TreeRef>()

  constructor(private readonly random: SeededRandom) {}

  build(model: Model): Built {
    const linked = [...model.reached].filter((id) => model.linksOf(id) > 1)
    const entry = (id: string): EntryRecord => (linked.includes(id) ? shared(model, id) : record(id))
    const record = (id: string): EntryRecord => {
      const file = model.files.get(id)!
      const attributes = { ...bareAttributes(file.id, file.isDirectory ? 0o040755 : 0o100644), mtimeSec: file.mtime }
      const bytes = Buffer.from(file.body)
      if (!file.isDirectory) return { ...attributes, size: bytes.length, content: { kind: 'inline', bytes } }
      if (file.names.size === 0) return { ...attributes, content: { kind: 'none' } }
      const rows = directoryRows([...file.names].map(([name, child]) => [nameFromText(name), entry(child)] as const))
      return { ...attributes, content: { kind: 'tree', ref: this.#map(rows) } }
    }
    const links = linked.length === 0 ? undefined : this.#map(sortRows(linked.map((id) => linkRow(record(id)))))
    return { root: record(model.root), links }
  }

  #map(rows: Parameters<typeof buildMap>[0]): TreeRef {
    const name = (level: number, plainHash: Uint8Array): string => `${level} ${hex(plainHash)}`
    const built = buildMap(rows, {
      random: this.random,
      reuse: (level, _, plainHash) => this.#known.get(name(level, plainHash)),
    })
    this.blocks.add(built.blocks)
    for (const { level, plainHash, ref } of built.nodes) this.#known.set(name(level, plainHash), ref)
    return built.ref
  }
}

function shared(model: Model, id: string): EntryRecord {
  return { ...bareAttributes(model.files.get(id)!.id, 0o100000), content: { kind: 'shared' } }
}

async function changesOf(before: Built, after: Built, builder: Builder, limits?: DiffLimits): Promise<string[]> {
  const out: string[] = []
  for await (const change of diffVersions(before, after, builder.blocks, limits)) out.push(lineOf(change))
  return out.sort()
}

function lineOf(change: VersionChange): string {
  if (change.kind === 'linked') return `linked ${hex(change.after.fileId)}`
  const place = (at: PlacedEntry): string => `/${at.path.map(nameToText).join('/')}`
  const sides = [...('before' in change ? [change.before] : []), ...('after' in change ? [change.after] : [])]
  return [change.kind, hex(sides[0]!.entry.fileId), ...sides.map(place)].join(' ')
}

/** The expected changes, from complete lists of both trees. */
function expected(before: Model, after: Model): string[] {
  const out: string[] = []
  const isShared = (model: Model, id: string): boolean => model.linksOf(id) > 1
  const sameFile = (id: string): boolean => {
    const [a, b] = [before.files.get(id)!, after.files.get(id)!]
    return a.mtime === b.mtime && (a.isDirectory || a.body === b.body)
  }
  if (!sameFile(before.root)) out.push(`changed ${before.root} / /`)
  const text = (path: readonly string[]): string => `/${path.join('/')}`
  const left = [...before.names()]
  const right = [...after.names()]
  const matched = new Set<(typeof right)[number]>()
  for (const was of left) {
    const isOneOf = isShared(before, was.id)
    const inPlace = right.find(
      ({ id, parent, path }) => id === was.id && parent === was.parent && path.at(-1) === was.path.at(-1),
    )
    const single = isOneOf || isShared(after, was.id) ? undefined : right.find(({ id }) => id === was.id)
    const is = inPlace ?? single
    if (is === undefined) {
      out.push(`removed ${was.id} ${text(was.path)}`)
      continue
    }
    matched.add(is)
    const isSame = isOneOf === isShared(after, was.id) && (isOneOf || sameFile(was.id))
    if (inPlace === undefined) out.push(`moved ${was.id} ${text(was.path)} ${text(is.path)}`)
    else if (!isSame) out.push(`changed ${was.id} ${text(was.path)} ${text(is.path)}`)
  }
  for (const is of right) if (!matched.has(is)) out.push(`added ${is.id} ${text(is.path)}`)
  for (const id of new Set(left.map((each) => each.id))) {
    if (isShared(before, id) && isShared(after, id) && !sameFile(id)) out.push(`linked ${id}`)
  }
  return out.sort()
}

test('the diff of two versions equals a full comparison, however small the memory limits', async (t) => {
  const seed = Number(process.env.SEED ?? 920)
  const random = seededRandom(seed)
  const kinds = new Set<string>()
  for (let round = 0; round < 150; round++) {
    const builder = new Builder(random)
    const before = new Model(random)
    for (let i = random.next(80); i > 0; i--) before.step()
    const after = before.copy()
    for (let i = random.next(25); i > 0; i--) after.step()
    const [from, to] = [builder.build(before), builder.build(after)]
    const wanted = expected(before, after)
    for (const line of wanted) kinds.add(line.split(' ')[0]!)
    const limits = { directories: random.next(4), entries: 1 + random.next(5) }
    const about = `seed ${seed}, round ${round}, ${JSON.stringify(limits)}`
    t.deepEqual(await changesOf(from, to, builder), wanted, about)
    t.deepEqual(await changesOf(from, to, builder, limits), wanted, about)
  }
  t.deepEqual([...kinds].sort(), ['added', 'changed', 'linked', 'moved', 'removed'])
})

test('the diff does not read the content of a moved directory, also with a changed file beside it', async (t) => {
  const random = seededRandom(921)
  const builder = new Builder(random)
  const before = new Model(random)
  const names = (id: string): Map<string, string> => before.files.get(id)!.names
  const [big, target, file] = [before.make(true), before.make(true), before.make(false)]
  names(before.root).set('big', big).set('target', target).set('file', file)
  for (let i = 0; i < 40; i++) {
    const below = before.make(true)
    names(big).set(`below ${i}`, below)
    for (let j = 0; j < 5; j++) names(below).set(`file ${j}`, before.make(false))
  }
  const after = before.copy()
  after.files.get(after.root)!.names.delete('big')
  after.files.get(target)!.names.set('elsewhere', big)
  after.files.get(file)!.body = 'changed'
  const [from, to] = [builder.build(before), builder.build(after)]
  t.deepEqual(await changesOf(from, to, builder), [
    `changed ${file} /file /file`,
    `moved ${big} /big /target/elsewhere`,
  ])
  t.true(builder.blocks.fetched <= 8, `${builder.blocks.fetched} blocks read`)
})

test('changes are reported as they are found', async (t) => {
  const random = seededRandom(922)
  const builder = new Builder(random)
  const before = new Model(random)
  const names = before.files.get(before.root)!.names
  const directories = Array.from({ length: 30 }, (_, i) => {
    const id = before.make(true)
    names.set(`directory ${String(i).padStart(2, '0')}`, id)
    before.files.get(id)!.names.set('file', before.make(false))
    return id
  })
  const after = before.copy()
  for (const id of directories) after.files.get(after.files.get(id)!.names.get('file')!)!.body = 'changed'
  const changes = diffVersions(builder.build(before), builder.build(after), builder.blocks)
  const first = await changes.next()
  t.is(first.value?.kind, 'changed')
  t.true(builder.blocks.fetched <= 8, `${builder.blocks.fetched} blocks read`)
  await changes.return()
})
