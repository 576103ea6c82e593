/**
 * Checks the parts that hold a version together on the node: its names, its pin, its root and commit, and the pin tree
 * over all live blocks.
 */
import { equalBytes, isDriveError, sleep, type Digest } from '../../base/index.js'
import { cidOf, decodeLinks } from '../../dag/index.js'
import { UNUSABLE } from '../heads/heads.js'
import { isPinned } from '../publish/pin-version.js'
import type { Head } from '../state/sync-state.js'
import type { CheckFinding } from './contract.js'
import type { CheckParts } from './parts.js'
import { goodCopyHere, readFromNode } from './copies.js'
import { damagedIn, forget, noteDamage } from './damage.js'

type Wrong = Pick<CheckFinding, 'kind' | 'what'>

/**
 * Checks names and pin.
 * @returns the defects
 */
export async function checkNames(head: Head, parts: CheckParts, signal: AbortSignal, tries = 5): Promise<Wrong[]> {
  const { names, node, deviceSlot } = parts
  const wrong: Wrong[] = []
  const known = [head.root, head.namedRoot]
  const wanted = [names.drive, ...(head.commit.deviceSlot === deviceSlot ? [names.device(deviceSlot)] : [])]
  for (const name of wanted) {
    const shown = await names.read(name, node, { signal, lenient: true }).catch(unlessUnreadable)
    const named = shown === UNUSABLE ? undefined : shown
    const isKnown = named !== undefined && known.some((root) => equalBytes(root, named.root))
    if (!isKnown && (named === undefined || parts.publisher.newer === undefined))
      wrong.push({ kind: 'name', what: 'name' })
  }
  if (!(await isPinned(head.root, parts, signal))) wrong.push({ kind: 'unpinned', what: 'pin' })
  const { head: now, plan } = parts.state
  // A publish was moving names and pin.
  if (wrong.length > 0 && tries > 0 && now !== undefined && (now !== head || plan !== undefined)) {
    if (plan !== undefined) await sleep(MOVING_MS, signal)
    return checkNames(now, parts, signal, tries - 1)
  }
  return wrong
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
  await walk.below(head.commit.forest)
  if (head !== parts.state.head) {
    // Another version has been published, so blocks that only the previous one had may be collected.
    for (const rows of damagedIn(['open'], parts.state))
      for (const { digest, codec } of rows) if (codec === 'dag-pb') forget(digest, parts.state)
    return []
  }
  const isWhole = walk.isCut || walk.live === head.commit.liveBlocks
  return isWhole && walk.unknownLinks === 0 ? [] : [{ kind: 'damaged', what: 'pin tree' }]
}

class PinTreeWalk {
  live = 0
  /** Links to blocks that are not live. */
  unknownLinks = 0
  /** Whether a node of the pin tree could not be read anywhere. */
  isCut = false
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

  async below(digest: Digest): Promise<void> {
    const bytes = await this.read(digest, 'dag-pb')
    if (bytes === undefined) {
      this.isCut = true
      return
    }
    for (const link of decodeLinks(bytes)) {
      if (link.codec === 'dag-pb') await this.below(link.digest)
      else {
        this.live++
        this.#last = link.digest
        if (this.parts.state.tables.live.get(link.digest) === undefined) this.unknownLinks++
      }
    }
  }
}

/** For a finding. */
export function rootCid(head: Head): string {
  return cidOf(head.root, 'dag-pb')
}
