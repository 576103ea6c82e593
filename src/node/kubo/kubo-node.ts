/**
 * A Kubo daemon (0.40 to 0.43) behind the node contract. Kubo's responses are verified: blocks by CID, imports by
 * count, pins and name records by reading them back. The responses of each command were recorded on real daemons.
 * Comments name the pitfalls.
 */
import {
  equalBytes,
  DriveError,
  forEachBounded,
  hex,
  isDriveError,
  throwIfAborted,
  type Random,
} from '../../base/index.js'
import { parseCid } from '../../dag/index.js'
import type { CallOptions, CidText, ImportResult, IpfsNode, NodeBlock, NodeStatus } from '../contract.js'
import { checkRecord, divergedRecord, isUsable, mayReplace, requireSigned } from '../name-rules.js'
import type { NodeTimeouts, OpenNodeOptions } from '../open-options.js'
import { matches } from '../verify-block.js'
import { countField, fieldOf, listNames, sentenceField, textField } from './answer-fields.js'
import { checkNode, probeNode } from './check-node.js'
import { endpointOf } from './endpoint.js'
import { saidBy } from './failures.js'
import { importCar } from './import-car.js'
import { pinned, pinTree, updatePin } from './pins.js'
import { KuboRpc } from './rpc.js'
import { smallFile } from './send-body.js'
import { shorten, withWords } from '../words.js'

/** Number of parallel `block/stat` calls. Each costs the node one index lookup. */
const STAT_CALLS = 16

export function openKuboNode(url: URL, options: OpenNodeOptions & { readonly timeouts: NodeTimeouts }): IpfsNode {
  const endpoint = endpointOf(url, options)
  if (endpoint.exposed) options.log.warn('the node key is sent unencrypted over the network', { where: endpoint.where })
  return new KuboNode(new KuboRpc(endpoint, options.timeouts, options.version), options.random)
}

class KuboNode implements IpfsNode {
  readonly capabilities = { isOwnStore: false, isBesideData: false }
  readonly #rpc: KuboRpc
  readonly #random: Random

  constructor(rpc: KuboRpc, random: Random) {
    this.#rpc = rpc
    this.#random = random
  }

  importBlocks(
    blocks: AsyncIterable<NodeBlock> | Iterable<NodeBlock>,
    options: Parameters<IpfsNode['importBlocks']>[1],
  ): Promise<ImportResult> {
    return importCar(this.#rpc, blocks, { ...options, boundary: this.#boundary() })
  }

  async getBlock(cid: CidText, options: CallOptions & { timeoutMs?: number } = {}): Promise<Uint8Array> {
    const { digest } = parseCid(cid)
    const timeoutMs = options.timeoutMs ?? this.#rpc.timeouts.blockMs
    const answer = await this.#rpc
      .call('block/get', {
        query: { arg: cid, ...(timeoutMs === 0 ? { offline: true } : { timeout: `${timeoutMs}ms` }) },
        lookMs: timeoutMs,
        signal: options.signal,
      })
      .catch((error: unknown) => {
        // The node searched for the full requested time.
        if (isDriveError(error, 'TIMEOUT') && 'said' in error.about) throw absent(cid, error)
        throw error
      })
    const bytes = await answer.bytes()
    if (!matches(bytes, digest)) {
      throw new DriveError('WRONG_BLOCK', 'The node sent bytes that do not match the CID.', {
        about: { cid, where: this.#rpc.endpoint.where },
      })
    }
    return bytes
  }

  async missing(cids: readonly CidText[], options: CallOptions = {}): Promise<CidText[]> {
    throwIfAborted(options.signal)
    const absentAt = new Set<number>()
    await forEachBounded(cids.entries(), STAT_CALLS, async ([at, cid]) => {
      if (!(await this.#holds(cid, options.signal))) absentAt.add(at)
    })
    return cids.filter((_, at) => absentAt.has(at))
  }

  pin(cid: CidText, options: CallOptions & { name: string }): Promise<void> {
    return pinTree(this.#rpc, cid, options)
  }

  updatePin(from: CidText, to: CidText, options: CallOptions = {}): Promise<void> {
    return updatePin(this.#rpc, from, to, options)
  }

  async unpin(cid: CidText, options: CallOptions = {}): Promise<void> {
    try {
      const answer = await this.#rpc.call('pin/rm', { query: { arg: cid }, signal: options.signal })
      const { Pins } = await answer.json<{ Pins?: unknown }>()
      if (!listNames(Pins, cid)) throw unconfirmed(cid, this.#rpc.endpoint.where)
    } catch (error) {
      if (saidBy(error) !== 'not pinned or pinned indirectly') throw error
    }
  }

  async listPins(options: CallOptions & { readonly name?: string } = {}): Promise<{ cid: CidText; name: string }[]> {
    return pinned(this.#rpc, options)
  }

  async putName(name: CidText, bytes: Uint8Array, options: CallOptions = {}): Promise<void> {
    const record = checkRecord(name, bytes)
    try {
      const answer = await this.#rpc.call('name/put', {
        query: { arg: name, 'allow-offline': true },
        body: smallFile('record', bytes, this.#boundary()),
        signal: options.signal,
      })
      await answer.drain()
    } catch (error) {
      if (/existing IPNS record has sequence|can't replace a newer value/.test(saidBy(error)))
        throw divergedRecord(name)
      throw error
    }
    // The node checks and stores in two steps and hides failures of its routers. So the record is read back.
    const held = await this.getName(name, options)
    if (equalBytes(held, bytes)) return
    // Kubo took ours and still returns a record whose content no device writes: that one has the higher sequence.
    if (!isUsable(name, held) || !mayReplace(name, held, record)) throw divergedRecord(name)
    throw new DriveError('NODE_ERROR', 'The node accepted the name record but returns an older one.', {
      about: { name },
    })
  }

  async getName(name: CidText, options: CallOptions = {}): Promise<Uint8Array> {
    const { nameMs } = this.#rpc.timeouts
    const answer = await this.#rpc.call('name/get', {
      query: { arg: name, timeout: `${nameMs}ms` },
      lookMs: nameMs,
      signal: options.signal,
    })
    const bytes = await answer.bytes()
    try {
      requireSigned(name, bytes)
    } catch (cause) {
      const about = { name, where: this.#rpc.endpoint.where }
      throw new DriveError('NODE_ERROR', 'The node sent a name record that is not signed by the key of the name.', {
        cause,
        about,
      })
    }
    return bytes
  }

  async collectGarbage(options: CallOptions = {}): Promise<{ removedBlocks: number }> {
    const answer = await this.#rpc.call('repo/gc', {
      query: { 'stream-errors': true },
      signal: options.signal,
    })
    let removedBlocks = 0
    let failure: string | undefined
    for await (const line of answer.lines<{ Key?: unknown; Error?: unknown }>()) {
      const error = sentenceField(line.Error)
      if (error !== undefined) failure ??= error
      else if (textField(fieldOf(line.Key, '/')) !== undefined) removedBlocks++
    }
    if (failure === undefined) return { removedBlocks }
    const said = shorten(this.#rpc.endpoint.hide(failure))
    throw new DriveError('NODE_ERROR', withWords('The node could not collect all garbage.', said), { about: { said } })
  }

  check(options: CallOptions = {}): Promise<NodeStatus> {
    return checkNode(this.#rpc, options)
  }

  async probe(options: CallOptions = {}): Promise<void> {
    await probeNode(this.#rpc, options)
  }

  async close(): Promise<void> {
    this.#rpc.close()
  }

  async #holds(cid: CidText, signal: AbortSignal | undefined): Promise<boolean> {
    try {
      const answer = await this.#rpc.call('block/stat', {
        query: { arg: cid, offline: true },
        signal,
      })
      // A server that answers 200 to every request, such as a captive portal, must not be mistaken for the node.
      const { Key, Size } = await answer.json<{ Key?: unknown; Size?: unknown }>()
      if (Key !== cid || countField(Size) === undefined) throw unconfirmed(cid, this.#rpc.endpoint.where)
      return true
    } catch (error) {
      if (isDriveError(error, 'NOT_FOUND')) return false
      throw error
    }
  }

  #boundary(): string {
    return `dagdrive-${hex(this.#random.bytes(16))}`
  }
}

function unconfirmed(cid: CidText, where: string): DriveError {
  return new DriveError('NODE_ERROR', 'The node sent an unexpected response.', {
    about: { cid, where },
  })
}

function absent(cid: CidText, cause: unknown): DriveError {
  return new DriveError('NOT_FOUND', 'The node does not have that block.', { cause, about: { cid } })
}
