/** What a lost device can do to the names of a drive: it has all keys, and puts records on the node by itself. */
import { createHash } from 'node:crypto'
import { publicKeyOfSeed, type DriveKeys } from '../../../src/crypto/index.js'
import { cidOf, driveSequence, nameOfKey, versionRootBlock } from '../../../src/dag/index.js'
import { forgedRecord, type ForgedRecord } from '../dag/forged-record.js'

/** 'drive', or the slot of a device. */
export type ForgedName = 'drive' | number

export class Forger {
  constructor(
    /** A Kubo daemon. */
    private readonly url: string,
    private readonly keys: DriveKeys,
  ) {}

  async put(name: ForgedName, record: ForgedRecord): Promise<void> {
    const seed = name === 'drive' ? this.keys.driveNameSeed : this.keys.deviceSeed(name)
    const text = nameOfKey(publicKeyOfSeed(seed))
    await this.#post(`name/put?arg=${text}&allow-offline=true`, forgedRecord(record, seed))
  }

  /** A version whose commit nobody can read. @returns the text of its CID */
  async unreadableVersion(): Promise<string> {
    const commit = new Uint8Array(2048).fill(7)
    const digest = sha256(commit)
    const root = versionRootBlock({ commit: digest, forest: sha256(digest) })
    await this.#post('block/put?cid-codec=raw&mhtype=sha2-256', commit)
    await this.#post('block/put?cid-codec=dag-pb&mhtype=sha2-256', root.bytes)
    return cidOf(root.digest, 'dag-pb')
  }

  async #post(call: string, bytes: Uint8Array): Promise<void> {
    const body = new FormData()
    body.append('file', new Blob([Uint8Array.from(bytes)]), 'file')
    const answer = await fetch(`${this.url}/api/v0/${call}`, { method: 'POST', body })
    const text = await answer.text()
    if (!answer.ok) throw new Error(text)
  }
}

const RAW = cidOf(sha256(Uint8Array.of(1)), 'raw')
const EXPIRES_IN_MS = 1500

/** Each takes the text of the CID of a real version, and stops every name it is put on for good. */
export const FORGERIES: Readonly<
  Record<string, (forger: Forger, name: ForgedName, version: string, nowMs: number) => Promise<void>>
> = {
  'a sequence above 2^53': (forger, name, version) =>
    forger.put(name, { value: `/ipfs/${version}`, sequence: 2n ** 53n }),
  'another kind of block': (forger, name) => forger.put(name, { value: `/ipfs/${RAW}`, sequence: 2n ** 52n }),
  'no CID': (forger, name) => forger.put(name, { value: '/ipns/nowhere', sequence: 2n ** 52n }),
  'a version nobody can read, with a huge height': async (forger, name) => {
    const sequence = BigInt(driveSequence(2 ** 44, name === 'drive' ? 9 : name))
    await forger.put(name, { value: `/ipfs/${await forger.unreadableVersion()}`, sequence })
  },
  'a version nobody can read, with the next height': async (forger, name) => {
    const sequence = BigInt(driveSequence(2, name === 'drive' ? 9 : name))
    await forger.put(name, { value: `/ipfs/${await forger.unreadableVersion()}`, sequence })
  },
  'a record that has expired': async (forger, name, version, nowMs) => {
    const validUntilMs = nowMs + EXPIRES_IN_MS
    await forger.put(name, { value: `/ipfs/${version}`, sequence: 2n ** 52n, validUntilMs })
    await new Promise((resolve) => setTimeout(resolve, EXPIRES_IN_MS + 100))
  },
}

function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest())
}
