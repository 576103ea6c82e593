/**
 * Checks the parts that hold a version together on the node: its names, its pin, its root and commit, and the pin tree
 * over all live blocks.
 */
import { equalBytes, isDriveError, sleep, type Digest } from '../../base/index.js'
import { cidOf, decodeLinks, MAX_PIN_TREE_DEPTH } from '../../dag/index.js'
import { UNUSABLE } from '../heads/drive-names.js'
import { isPinned } from '../publish/pin-version.js'
import type { Head } from '../state/sync-state.js'
import type { CheckFinding } from './contract.js'
import type { CheckParts } from './parts.js'
import { goodCopyHere, readFromNode } from './copies.js'
import { damagedIn, forget, noteDamage } from './damage.js'
import { isReplaced } from './is-replaced.js'

/** A defect of the parts that hold a version together. */
export type Wrong = Pick<CheckFinding, 'kind' | 'what'>

/**
 * Checks names and pin. A publish that is under way moves both, so they may also belong to the version of its plan.
 * @returns the defects. None if a new version was published during each of the tries: a publish reads its names again.
 */
export async function checkNames(head: Head, parts: CheckParts, signal: AbortSignal, tries = 5): Promise<Wrong[]> {
  const { state, publisher } = parts
  const before = state.plan
  const named = await readNames(head, parts, signal)
  const isHeadPinned = await isPinned(head.root, parts, signal)
  const { head: now, plan } = state
  const moving = [before, plan].flatMap((one) => (one === undefined ? [] : [one.version.root]))
  const known = [head.root, head.namedRoot, ...moving]
  const isWrong = (root: Digest | undefined): boolean =>
    root === undefined || (publisher.newer === undefined && !known.some((one) => equalBytes(one, root)))
  const wrong: Wrong[] = named.filter(isWrong).map(() => ({ kind: 'name', what: 'name' }))
  if (!isHeadPinned && !(await isAnyPinned(moving, parts, signal))) wrong.push({ kind: 'unpinned', what: 'pin' })
  const isSame = now === undefined || (now === head && before === undefined && plan === undefined)
  if (wrong.length === 0 || isSame) return wrong
  if (tries === 0) return now === head ? wrong : []
  if (plan !== undefined) await sleep(MOVING_MS, signal)
  return checkNames(now, parts, signal, tries - 1)
}

/** @returns where the drive name and our own device name point; undefined for a missing or damaged record */
async function readNames(head: Head, parts: CheckParts, signal: AbortSignal): Promise<(Digest | undefined)[]> {
  const { names, node, deviceSlot } = parts
  const wanted = [names.drive, ...(head.commit.deviceSlot === deviceSlot ? [names.device(deviceSlot)] : [])]
  const roots: (Digest | undefined)[] = []
  for (const name of wanted) {
    const shown = await names.read(name, node, { signal, lenient: true }).catch(unlessUnreadable)
    roots.push(shown === UNUSABLE ? undefined : shown?.root)
  }
  return roots
}

async function isAnyPinned(roots: readonly Digest[], parts: CheckParts, signal: AbortSignal): Promise<boolean> {
  for (const root of roots) if (await isPinned(root, parts, signal)) return true
  return false
}

const MOVING_MS = 1000

/** A damaged record counts as missing. */
function unlessUnreadable(error: unknown): undefined {
  if (!isDriveError(error, 'CORRUPT') && !isDriveError(error, 'NODE_ERROR')) throw error
}

/**
 * Reads the root, the commit and every node of the pin tree, and records damaged ones. Below a damaged node, the walk
 * continues from the local copy, if there is one.
 * @returns mismatches between the pin tree and the version, besides damage
 */
export async function checkPinTree(head: Head, parts: CheckParts, signal: AbortSignal): Promise<Wrong[]> {
  const walk = new PinTreeWalk(parts, signal)
  await walk.read(head.root, 'dag-pb')
  await walk.read(head.commitDigest, 'raw')
  await walk.below(head.commit.forest, 1)
  if (isReplaced(head, parts.state)) {
    for (const rows of damagedIn(['open'], parts.state))
      for (const { digest, codec } of rows) if (codec === 'dag-pb') forget(digest, parts.state)
    return []
  }
  // A pin tree may have more blocks: the device that published it needed them then, such as those of a removed file
  // that a program had open.
  const isWhole = walk.isCut || walk.live === head.commit.liveBlocks
  return isWhole && !walk.isDisordered ? [] : [{ kind: 'damaged', what: 'pin tree' }]
}

class PinTreeWalk {
  /** Links to live blocks. */
  live = 0
  /** Whether a node of the pin tree could not be read anywhere. */
  isCut = false
  /**
   * Whether digests do not ascend or the tree is too deep. The walk ends there, because a node with several parents
   * could have any number of paths.
   */
  isDisordered = false
  #last: Digest = new Uint8Array(32)

  constructor(
    private readonly parts: CheckParts,
    private readonly signal: AbortSignal,
  ) {}

  /** @returns the bytes from the node, otherwise from here */
  async read(digest: Digest, codec: 'raw' | 'dag-pb'): Promise<Uint8Array | undefined> {
    const { kind, bytes } = await readFromNode(digest, codec, this.parts, this.signal)
    if (kind === 'good') return bytes
    await noteDamage([{ digest, codec, state: 'open', kind, after: this.#last }], this.parts)
    return goodCopyHere(digest, this.parts)
  }

  /** @param depth of the node, 1 for the root */
  async below(digest: Digest, depth: number): Promise<void> {
    const bytes = await this.read(digest, 'dag-pb')
    if (bytes === undefined) {
      this.isCut = true
      return
    }
    const links = decodeLinks(bytes)
    if (depth > MAX_PIN_TREE_DEPTH || (links.length === 0 && depth > 1)) this.isDisordered = true
    for (const link of links) {
      if (this.isDisordered) return
      if (link.codec === 'dag-pb') await this.below(link.digest, depth + 1)
      else this.#leaf(link.digest)
    }
  }

  #leaf(digest: Digest): void {
    if (Buffer.compare(this.#last, digest) >= 0) {
      this.isDisordered = true
      return
    }
    this.#last = digest
    if (this.parts.state.tables.live.get(digest) !== undefined) this.live++
  }
}

/** For a finding. */
export function rootCid(head: Head): string {
  return cidOf(head.root, 'dag-pb')
}
