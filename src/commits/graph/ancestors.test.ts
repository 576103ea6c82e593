import test from 'ava'
import { createHash } from 'node:crypto'
import { DriveError, hex, type Digest } from '../../base/index.js'
import type { Commit } from '../../dag/index.js'
import { basesAfter, parentHeights, parentsAfter, relationOf } from '../index.js'
import type { Version } from './version.js'

const digest = (name: string): Digest => createHash('sha256').update(name).digest()

/** A line of versions with the parents that successive devices would choose. `asked` counts opened versions. */
class Line {
  readonly versions: Version[] = []
  readonly #byRoot = new Map<string, Version>()
  asked = 0

  constructor(
    readonly name: string,
    readonly onlyOneParent = false,
    begin: readonly Version[] = [],
  ) {
    for (const version of begin) this.add(version)
  }

  add(version: Version): void {
    this.versions.push(version)
    this.#byRoot.set(hex(version.root), version)
  }

  grow(count: number, bases: readonly Digest[] = []): this {
    for (let i = 0; i < count; i++) {
      const head = this.versions.at(-1)
      const height = (head?.commit.height ?? 0) + 1
      const parents = head === undefined ? [] : this.onlyOneParent ? [head.root] : parentsAfter(head, bases)
      const commit = { driveId: digest('drive'), height, parents } as unknown as Commit
      this.add({ root: digest(`${this.name} ${height}`), commit, commitDigest: digest('') })
    }
    return this
  }

  forget(heights: readonly number[]): void {
    for (const height of heights) this.#byRoot.delete(hex(this.versions[height - 1]!.root))
  }

  relation(other: number, own: Version): ReturnType<typeof relationOf> {
    this.asked = 0
    const openVersion = async (root: Digest): Promise<Version> => {
      this.asked++
      const found = this.#byRoot.get(hex(root))
      if (found === undefined) throw new DriveError('NOT_FOUND', 'gone')
      return found
    }
    const fetch = (): Promise<Uint8Array> => Promise.reject(new Error('not used'))
    return relationOf(this.versions[other - 1]!, own, { names: { openVersion }, fetch }, undefined)
  }
}

test('the heights a commit names are the one before it and the last multiple of each power of two', (t) => {
  t.deepEqual(parentHeights(1), [])
  t.deepEqual(parentHeights(2), [1])
  t.deepEqual(parentHeights(8), [7, 6, 4])
  t.deepEqual(parentHeights(9), [8])
  t.deepEqual(parentHeights(100), [99, 98, 96, 64])
})

test('a commit names versions of exactly those heights, which descend from each other', (t) => {
  const { versions } = new Line('a').grow(200)
  for (const { commit } of versions) {
    const named = commit.parents.map((root) => versions.find((one) => hex(one.root) === hex(root))!.commit.height)
    t.deepEqual(named, parentHeights(commit.height))
  }
})

test('descent from every version is proved in few steps', async (t) => {
  const line = new Line('a').grow(3000)
  for (const own of [1, 2, 7, 64, 65, 1000, 1023, 1024, 2047, 2500, 2998, 2999]) {
    t.is(await line.relation(3000, line.versions[own - 1]!), 'newer', `${own}`)
    t.true(line.asked <= 24, `${own}: ${line.asked} opened`)
  }
  t.is(await line.relation(17, line.versions[999]!), 'older')
  t.is(await line.relation(17, line.versions[16]!), 'same')
})

test('a fork is never mistaken for descent, in either direction', async (t) => {
  const line = new Line('a').grow(300)
  const fork = new Line('b', false, line.versions.slice(0, 200)).grow(150)
  for (const own of [201, 250, 256, 300]) t.is(await fork.relation(350, line.versions[own - 1]!), 'unknown')
  t.is(await fork.relation(350, line.versions[199]!), 'newer')
})

test('commits with a single parent are followed one by one', async (t) => {
  const line = new Line('a', true).grow(50)
  t.is(await line.relation(50, line.versions[9]!), 'newer')
  const longer = new Line('a', false, line.versions).grow(50)
  t.is(await longer.relation(100, line.versions[9]!), 'newer')
  t.is(await longer.relation(100, longer.versions[60]!), 'newer')
})

test('missing versions are bypassed if there is another path', async (t) => {
  const line = new Line('a').grow(100)
  line.forget([99, 97, 95])
  t.is(await line.relation(100, line.versions[89]!), 'newer')
  line.forget(Array.from({ length: 99 }, (_, i) => i + 1))
  t.is(await line.relation(100, line.versions[89]!), 'unknown')
  t.is(await line.relation(100, line.versions[95]!), 'newer', 'named by the commit itself')
})

test('the merge bases of three devices are passed on, newest first, and a limited number of them', (t) => {
  const line = new Line('a').grow(10)
  let bases = basesAfter(line.versions.at(-1)!, [])
  for (let turn = 0; turn < 40; turn++) {
    line.grow(3, bases)
    // The next device learns earlier merge bases only from the head.
    bases = basesAfter(line.versions.at(-1)!, [])
  }
  const heights = bases.map((root) => line.versions.find((one) => hex(one.root) === hex(root))!.commit.height)
  t.deepEqual(
    heights.slice(0, 4).map((height) => height > 100),
    [true, true, true, true],
  )
  t.is(heights[0], 130)
  t.true(heights.length <= 32)
  t.true(line.versions.at(-1)!.commit.parents.length <= 64)
})

test('a merge base stays a parent, however many versions follow it', async (t) => {
  const line = new Line('a').grow(37)
  const left = line.versions[36]!
  line.grow(500, [left.root])
  line.forget(Array.from({ length: 536 }, (_, i) => i + 1))
  t.is(await line.relation(537, left), 'newer')
  t.is(line.asked, 0)
})
