/**
 * The log that makes changes of a block index durable: block records in order of arrival. A truncated or damaged record
 * is skipped. The log is rewritten with the valid records after a merge, after a failed sync, and when it is longer
 * than any log this program writes.
 */
import { constants } from 'node:fs'
import { rename, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { KIB, MIB } from '../../base/index.js'
import { openRegularFile, syncDirectoryLater } from '../../platform/index.js'
import { decodeRecord, encodeRecords, RECORD_BYTES, type BlockRecord } from './block-record.js'
import { createAside } from './replace-file.js'

/** The event loop runs between two pieces. */
const PIECE_BYTES = 256 * KIB
/** This program merges a log before it gets this long; bytes beyond are ignored. */
const MOST_BYTES = 64 * MIB

export class RecordLog {
  readonly #path: string
  #file: FileHandle
  #end: number
  /**
   * The log must be rewritten: a sync failed. After that, Linux marks the lost pages as clean, so a later successful
   * sync proves nothing.
   */
  #isDoubtful = false

  private constructor(path: string, file: FileHandle, end: number) {
    this.#path = path
    this.#file = file
    this.#end = Math.min(end, MOST_BYTES)
    this.#isDoubtful = end > MOST_BYTES
  }

  /** @param replay receives every valid record, oldest first; if it fails, `open` fails */
  static async open(path: string, replay: (record: BlockRecord) => void): Promise<RecordLog> {
    const file = await openRegularFile(path, constants.O_RDWR | constants.O_CREAT)
    try {
      const { size } = await file.stat()
      const piece = Buffer.allocUnsafe(PIECE_BYTES)
      const end = size - (size % RECORD_BYTES)
      const last = Math.min(end, MOST_BYTES)
      for (let at = 0; at < last; at += PIECE_BYTES) {
        const { bytesRead } = await file.read(piece, 0, Math.min(PIECE_BYTES, last - at), at)
        for (let record = 0; record + RECORD_BYTES <= bytesRead; record += RECORD_BYTES) {
          const found = decodeRecord(piece, record)
          if (found !== undefined) replay(found)
        }
        if (bytesRead < PIECE_BYTES) break
      }
      return new RecordLog(path, file, end)
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** The number of records, including replaced ones. */
  get count(): number {
    return this.#end / RECORD_BYTES
  }

  /**
   * Durable when it resolves. After a failure none of the records count.
   * @param all all other records, in case the log must be rewritten
   */
  async append(records: readonly BlockRecord[], all: Iterable<BlockRecord>): Promise<void> {
    if (this.#isDoubtful) await this.replace(all)
    const bytes = encodeRecords(records)
    let isWritten = false
    try {
      await writeAll(this.#file, bytes, this.#end)
      isWritten = true
      await this.#file.datasync()
    } catch (error) {
      const isCutBack = await this.#file.truncate(this.#end).then(
        () => true,
        () => false,
      )
      this.#isDoubtful = isWritten || !isCutBack
      throw error
    }
    this.#end += bytes.length
  }

  /** Replaces the log by one with only these records. The old log stays if this fails. */
  async replace(records: Iterable<BlockRecord>): Promise<void> {
    const bytes = encodeRecords([...records])
    const aside = `${this.#path}.new`
    const file = await createAside(aside)
    try {
      await writeAll(file, bytes, 0)
      await file.sync()
      await rename(aside, this.#path)
    } catch (error) {
      await file.close()
      throw error
    }
    await this.#file.close()
    this.#file = file
    this.#end = bytes.length
    await syncDirectoryLater(dirname(this.#path))
    this.#isDoubtful = false
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten
  }
}
