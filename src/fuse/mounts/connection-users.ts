/**
 * Which programs use a connection, in any mount namespace and also after its name was detached. Reads /proc. Of the
 * mount itself it asks only the attributes of what a program in a detached mount has open.
 */
import { constants } from 'node:fs'
import { open, readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { runHelper } from './detach.js'
import { parseMountInfo } from './mount-info.js'

const O_PATH = 0o10000000
const ANSWER_MS = 2000
/** The device of a connection's files, as stat(2) encodes it: its major number is 0. */
const deviceOf = (minor: number): number => (minor % 256) + Math.floor(minor / 256) * 2 ** 20
/** Targets of descriptors that are on no FUSE mount. */
const ELSEWHERE = /^[^/]|^\/memfd:|^\/dev\/(null|zero|u?random|tty|ptmx|pts\/\d+)$/

export interface ConnectionUsers {
  /** Whether another mount namespace has a copy of the mount, as sandboxes and containers make them. */
  readonly copied: boolean
  /** Processes with a working directory, a root or an open file in any mount of the connection. */
  readonly pids: readonly number[]
}

/** The mounts of one namespace, by their identifiers. */
interface Namespace {
  readonly known: ReadonlySet<string>
  readonly ofConnection: ReadonlySet<string>
  /** Mounts that the namespace does not list, and whether they are of the connection. */
  readonly detached: Map<string, boolean>
}

/** Processes that this user may not look into do not count. @param minor the number of the connection */
export async function connectionUsers(minor: number): Promise<ConnectionUsers> {
  const own = await readlink('/proc/self/ns/mnt')
  const namespaces = new Map<string, Namespace | undefined>()
  let copied = false
  const pids: number[] = []
  for (const name of await readdir('/proc')) {
    const pid = Number(name)
    if (!/^\d+$/.test(name) || pid === process.pid) continue
    const process_ = join('/proc', name)
    const id = await orUndefined(readlink(join(process_, 'ns', 'mnt')))
    if (id === undefined) continue
    if (!namespaces.has(id)) namespaces.set(id, await namespaceOf(process_, minor))
    const namespace = namespaces.get(id)
    if (namespace === undefined) continue
    copied ||= id !== own && namespace.ofConnection.size > 0
    if (await uses(process_, namespace, minor)) pids.push(pid)
  }
  return { copied, pids }
}

async function namespaceOf(process_: string, minor: number): Promise<Namespace | undefined> {
  const text = await orUndefined(readFile(join(process_, 'mountinfo'), 'latin1'))
  if (text === undefined) return undefined
  const lines = text.split('\n').filter((line) => line !== '')
  const idOf = (line: string): string => line.slice(0, line.indexOf(' '))
  return {
    known: new Set(lines.map(idOf)),
    ofConnection: new Set(lines.filter((line) => parseMountInfo(line)[0]?.minor === minor).map(idOf)),
    detached: new Map(),
  }
}

async function uses(process_: string, namespace: Namespace, minor: number): Promise<boolean> {
  for (const link of ['cwd', 'root']) {
    if (await isIn(join(process_, link), undefined, namespace, minor)) return true
  }
  for (const descriptor of (await orUndefined(readdir(join(process_, 'fd')))) ?? []) {
    const link = join(process_, 'fd', descriptor)
    const target = await orUndefined(readlink(link))
    if (target === undefined || ELSEWHERE.test(target)) continue
    if (await isIn(link, join(process_, 'fdinfo', descriptor), namespace, minor)) return true
  }
  return false
}

/** @param info the description of the descriptor; without it, one is opened here */
async function isIn(link: string, info: string | undefined, namespace: Namespace, minor: number): Promise<boolean> {
  const id = info === undefined ? await mountIdOf(link) : await mountIdIn(info)
  if (id === undefined) return false
  if (namespace.known.has(id)) return namespace.ofConnection.has(id)
  const asked = namespace.detached.get(id) ?? (await isOnDevice(link, deviceOf(minor)))
  namespace.detached.set(id, asked)
  return asked
}

async function mountIdOf(link: string): Promise<string | undefined> {
  const place = await orUndefined(open(link, O_PATH | constants.O_NONBLOCK))
  if (place === undefined) return undefined
  const id = await mountIdIn(`/proc/self/fdinfo/${place.fd}`)
  await place.close()
  return id
}

/** For a detached mount: it may be of somebody else and never answer, so no thread of this process waits for it. */
async function isOnDevice(link: string, device: number): Promise<boolean> {
  const { code, output } = await runHelper('stat', ['-L', '-c', '%d', '--', link], ANSWER_MS)
  return code === 0 && Number(output) === device
}

async function mountIdIn(info: string): Promise<string | undefined> {
  return /^mnt_id:\s*(\d+)$/m.exec((await orUndefined(readFile(info, 'latin1'))) ?? '')?.[1]
}

/** A process may end at any moment, and others may be of another user. */
const orUndefined = <T>(asked: Promise<T>): Promise<T | undefined> => asked.catch(() => undefined)
