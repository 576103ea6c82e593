/**
 * One user of a block store at a time. The lock is a file that names its holder, taken by exclusive creation, which also
 * FAT file systems have. A holder that died is recognised by process id, process start time and boot id, so a kill -9 or a
 * power cut never leaves a store locked on the same machine. A holder on another machine cannot be checked: the user is
 * told which machine it is and which file to delete.
 */
import { open, readFile, readlink, rename, unlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { DriveError, hex, sleep, type Random } from '../../base/index.js'
import { errnoOf } from './store-error.js'

export interface StoreLock {
  release(): Promise<void>
}

/** A lock file without content is being written just now, or its writer died: it is given this long. */
const TORN_TRIES = 10
const TORN_WAIT_MS = 50

interface Holder {
  readonly pid: number
  readonly host: string
  readonly boot: string
  readonly pidNamespace: string
  /** Clock ticks since boot at which the process began: tells a reused process id from the holder. */
  readonly started: string
  /** Random; tells two locks of one process apart. */
  readonly id: string
}

/** @param directory of the store, must exist @returns the lock; LOCKED names the holder's process id and host */
export async function lockStore(directory: string, random: Random): Promise<StoreLock> {
  const path = join(directory, 'lock')
  const self = await describeSelf(hex(random.bytes(8)))
  const text = JSON.stringify(self)
  for (let torn = 0, tries = 0; tries < 2 * TORN_TRIES; tries++) {
    if (await created(path, text)) return { release: () => release(path, self.id) }
    const found = await readText(path)
    if (found === undefined) continue
    const holder = parseHolder(found)
    if (holder === undefined && ++torn < TORN_TRIES) {
      await sleep(TORN_WAIT_MS)
      continue
    }
    if (holder !== undefined && (await mayLive(holder, self))) throw lockedBy(holder, path)
    await removeStale(path, found, self.id)
  }
  throw new DriveError('LOCKED', 'The block store is being opened by several programs at once.', { about: { path } })
}

async function describeSelf(id: string): Promise<Holder> {
  return {
    pid: process.pid,
    host: hostname(),
    boot: (await textOr('/proc/sys/kernel/random/boot_id')).trim(),
    pidNamespace: await readlink('/proc/self/ns/pid').catch(() => ''),
    started: (await processOf(process.pid)).started,
    id,
  }
}

/** True unless the holder is known to be gone. */
async function mayLive(holder: Holder, self: Holder): Promise<boolean> {
  if (holder.host !== self.host) return true
  if (holder.boot !== self.boot) return false
  if (holder.pidNamespace !== self.pidNamespace) return true
  if (!isRunning(holder.pid)) return false
  const { started, ended } = await processOf(holder.pid)
  return !ended && holder.started === started
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errnoOf(error) === 'EPERM'
  }
}

/**
 * Fields 3 and 22 of /proc/<pid>/stat; `started` is empty where there is no such file, which then compares equal. A zombie has
 * ended: its files are closed, only nobody has asked for its exit status yet.
 */
async function processOf(pid: number): Promise<{ started: string; ended: boolean }> {
  const stat = await textOr(`/proc/${pid}/stat`)
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { started: fields[19] ?? '', ended: fields[0] === 'Z' || fields[0] === 'X' }
}

async function textOr(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}

/** Renamed before it is removed, so that a lock somebody took in between is seen and given back. */
async function removeStale(path: string, stale: string, selfId: string): Promise<void> {
  const aside = `${path}.stale.${selfId}`
  try {
    await rename(path, aside)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return
    throw error
  }
  const taken = await readText(aside)
  if (taken !== undefined && taken !== stale) await created(path, taken)
  await unlink(aside)
}

async function release(path: string, id: string): Promise<void> {
  const found = await readText(path)
  if (found !== undefined && parseHolder(found)?.id === id) await unlink(path)
}

function parseHolder(text: string): Holder | undefined {
  try {
    return JSON.parse(text) as Holder
  } catch {
    // Empty or torn: still being written, or cut off by a power failure.
    return undefined
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** @returns false when the file exists */
async function created(path: string, text: string): Promise<boolean> {
  let file
  try {
    file = await open(path, 'wx', 0o600)
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false
    throw error
  }
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  return true
}

function lockedBy(holder: Holder, path: string): DriveError {
  const elsewhere = holder.host === hostname() ? '' : `, or delete ${path} if that machine no longer uses it`
  return new DriveError(
    'LOCKED',
    `The block store is in use by process ${holder.pid} on ${holder.host}. Stop that drive first${elsewhere}.`,
    { about: { pid: holder.pid, host: holder.host, path } },
  )
}
