/**
 * Recursive pins. Kubo searches the network for missing blocks, for ever if nobody has them. So a pin without progress
 * is aborted. A new pin walks the whole tree; an update keeps the name and walks only the difference.
 */
import { aborted, DriveError, isDriveError } from '../../base/index.js'
import { withAnySignal } from '../any-signal.js'
import type { CallOptions, CidText } from '../contract.js'
import { countField, fieldOf, listNames, textField } from './answer-fields.js'
import { saidBy } from './failures.js'
import type { KuboRpc } from './rpc.js'

/** Limit of the list in memory. A drive has a few pins with one name; a node may have many other pins. */
const MOST_PINS = 10_000

/** The fields come from the node and are not trusted; see answer-fields.ts. */
interface PinLine {
  readonly Pins?: unknown
  readonly Progress?: unknown
}

/** NODE_ERROR when a block below the root is missing: no block was found for `timeouts.blockMs`. */
export async function pinTree(
  rpc: KuboRpc,
  cid: CidText,
  options: CallOptions & { readonly name: string },
): Promise<void> {
  const giveUp = new AbortController()
  const stalled = (): void => giveUp.abort()
  let timer = setTimeout(stalled, rpc.timeouts.blockMs)
  const onProgress = (): void => {
    clearTimeout(timer)
    timer = setTimeout(stalled, rpc.timeouts.blockMs)
  }
  try {
    const add = (signal: AbortSignal): Promise<boolean> => addPin(rpc, cid, options.name, onProgress, signal)
    if (!(await withAnySignal([options.signal, giveUp.signal], add))) throw unconfirmed(cid)
  } catch (error) {
    if (options.signal?.aborted === true) throw aborted(options.signal)
    throw giveUp.signal.aborted || isHole(error) ? hole(cid, error) : error
  } finally {
    clearTimeout(timer)
  }
}

/** @returns whether the node reports the CID as pinned */
async function addPin(
  rpc: KuboRpc,
  cid: CidText,
  name: string,
  onProgress: () => void,
  signal: AbortSignal,
): Promise<boolean> {
  const query = { arg: cid, recursive: true, progress: true, name, 'fast-provide-root': false }
  const answer = await rpc.call('pin/add', { query, signal })
  let reached = 0
  let isConfirmed = false
  for await (const line of answer.lines<PinLine>()) {
    isConfirmed ||= listNames(line.Pins, cid)
    const progress = countField(line.Progress) ?? 0
    if (progress <= reached) continue
    reached = progress
    onProgress()
  }
  return isConfirmed
}

/**
 * The old pin stays: it holds the version that the names point to, until the names are updated. Also succeeds if an
 * earlier attempt succeeded and only its response was lost. NOT_FOUND when neither pin exists.
 */
export async function updatePin(rpc: KuboRpc, from: CidText, to: CidText, options: CallOptions): Promise<void> {
  if (from === to) {
    if (!(await isPinned(rpc, to, options))) throw noPin(from)
    return
  }
  const { workMs } = rpc.timeouts
  try {
    const answer = await rpc.call('pin/update', {
      query: { arg: [from, to], unpin: false, timeout: `${workMs}ms`, 'fast-provide-root': false },
      signal: options.signal,
      lookMs: workMs,
    })
    const { Pins } = await answer.json<PinLine>()
    if (!listNames(Pins, to)) throw unconfirmed(to)
  } catch (error) {
    const said = saidBy(error)
    if (said === "'from' cid was not recursively pinned already") {
      if (!(await isPinned(rpc, to, options))) throw noPin(from)
    } else if (said !== "'to' cid was already recursively pinned") {
      throw isHole(error) ? hole(to, error) : error
    }
  }
}

/** The recursive pins with one name, or all. Other pins are skipped and not kept in memory. */
export async function pinned(
  rpc: KuboRpc,
  { signal, name }: CallOptions & { readonly name?: string },
): Promise<{ cid: CidText; name: string }[]> {
  const answer = await rpc.call('pin/ls', {
    // The node's own filter matches any part of a name.
    query: { type: 'recursive', names: true, stream: true, ...(name === undefined ? {} : { name }) },
    signal,
  })
  const pins: { cid: CidText; name: string }[] = []
  for await (const line of answer.lines<{ Cid?: unknown; Name?: unknown }>()) {
    const pin = { cid: textField(line.Cid) ?? '', name: textField(line.Name) ?? '' }
    if (pin.cid === '' || (name !== undefined && pin.name !== name)) continue
    if (pins.push(pin) > MOST_PINS) throw tooManyPins()
  }
  return pins
}

async function isPinned(rpc: KuboRpc, cid: CidText, options: CallOptions): Promise<boolean> {
  try {
    const answer = await rpc.call('pin/ls', { query: { arg: cid, type: 'recursive' }, signal: options.signal })
    const { Keys } = await answer.json<{ Keys?: unknown }>()
    if (fieldOf(Keys, cid) === undefined) throw unconfirmed(cid)
    return true
  } catch (error) {
    if (saidBy(error) === `path '${cid}' is not pinned`) return false
    throw error
  }
}

/** Whether Kubo's own search time for a block passed, or it reports that it is offline. */
function isHole(error: unknown): boolean {
  return isDriveError(error) && 'said' in error.about && (error.code === 'TIMEOUT' || error.code === 'NOT_FOUND')
}

function hole(root: CidText, cause: unknown): DriveError {
  return new DriveError('NODE_ERROR', 'The version on the node is incomplete: a block below its root is missing.', {
    cause,
    about: { root },
  })
}

function noPin(cid: CidText): DriveError {
  return new DriveError('NOT_FOUND', 'The pin to update does not exist.', { about: { cid } })
}

function tooManyPins(): DriveError {
  return new DriveError('NODE_ERROR', 'The node lists more pins than the limit.', { about: { most: MOST_PINS } })
}

function unconfirmed(cid: CidText): DriveError {
  return new DriveError('NODE_ERROR', 'The node did not confirm the pin.', { about: { cid } })
}
