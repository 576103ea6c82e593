/**
 * Which programs use a connection, in any mount namespace and also after its name was detached. Reads /proc, and
 * nothing of the mount itself. Threads may have a working directory, a root and a namespace of their own.
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

/** The mounts of one namespace, by their identifiers. */
interface Namespace {
  readonly known: ReadonlySet<string>
  readonly ofConnection: ReadonlySet<string>
  /** Mounts that the namespace does not list, and whether they are of the connection. */
  readonly detached: Map<string, boolean>
}

/** Mount namespaces by the target of their link in /proc. */
type Namespaces = Map<string, Namespace | undefined>

/**
 * Whether another mount namespace has a copy of the mount, as sandboxes and containers make them. One without processes
 * is not found.
 * @param minor the number of the connection
 */
export async function isCopied(minor: number): Promise<boolean> {
  const own = await readlink('/proc/self/ns/mnt')
  const namespaces: Namespaces = new Map()
  for await (const { path } of threads()) {
    const id = await orUndefined(readlink(join(path, 'ns', 'mnt')))
    if (id === undefined || id === own || namespaces.has(id)) continue
    const found = await namespaceOf(path, id, minor, namespaces)
    if (found !== undefined && found.ofConnection.size > 0) return true
  }
  return false
}

/**
 * Processes with a working directory, a root, an open file or a mapping in any mount of the connection. Those that this
 * user may not look into do not count.
 */
export async function connectionUsers(minor: number): Promise<number[]> {
  const namespaces: Namespaces = new Map()
  const pids = new Set<number>()
  for await (const { pid, path, isFirst } of threads()) {
    if (pids.has(pid)) continue
    const id = await orUndefined(readlink(join(path, 'ns', 'mnt')))
    const namespace = id === undefined ? undefined : await namespaceOf(path, id, minor, namespaces)
    if (namespace === undefined) continue
    const isUser = (isFirst && (await maps(path, minor))) || (await uses(path, namespace, minor, isFirst))
    if (isUser) pids.add(pid)
  }
  return [...pids]
}

/** All threads but those of this process; the first of a process has its open files and mappings. */
async function* threads(): AsyncGenerator<{ pid: number; path: string; isFirst: boolean }> {
  for (const name of await readdir('/proc')) {
    const pid = Number(name)
    if (!/^\d+$/.test(name) || pid === process.pid) continue
    for (const thread of (await orUndefined(readdir(join('/proc', name, 'task')))) ?? [])
      yield { pid, path: join('/proc', name, 'task', thread), isFirst: thread === name }
  }
}

async function namespaceOf(
  path: string,
  id: string,
  minor: number,
  namespaces: Namespaces,
): Promise<Namespace | undefined> {
  if (namespaces.has(id)) return namespaces.get(id)
  const text = await orUndefined(readFile(join(path, 'mountinfo'), 'latin1'))
  // The thread has ended: another one may show the namespace.
  if (text === undefined) return undefined
  const lines = text.split('\n').filter((line) => line !== '')
  const idOf = (line: string): string => line.slice(0, line.indexOf(' '))
  const found = {
    known: new Set(lines.map(idOf)),
    ofConnection: new Set(lines.filter((line) => parseMountInfo(line)[0]?.minor === minor).map(idOf)),
    detached: new Map<string, boolean>(),
  }
  namespaces.set(id, found)
  return found
}

/** @param withFiles whether its open files are examined too: those of other threads are nearly always the same */
async function uses(path: string, namespace: Namespace, minor: number, withFiles: boolean): Promise<boolean> {
  for (const link of ['cwd', 'root']) {
    if (await isIn(join(path, link), undefined, namespace, minor)) return true
  }
  for (const descriptor of (withFiles ? await orUndefined(readdir(join(path, 'fd'))) : undefined) ?? []) {
    const link = join(path, 'fd', descriptor)
    const target = await orUndefined(readlink(link))
    if (target === undefined || ELSEWHERE.test(target)) continue
    if (await isIn(link, join(path, 'fdinfo', descriptor), namespace, minor)) return true
  }
  return false
}

/** Also the program itself, if it is a file of the mount. */
async function maps(path: string, minor: number): Promise<boolean> {
  const mapped = new RegExp(`^\\S+ \\S+ \\S+ 00:0*${minor.toString(16)} `, 'm')
  return mapped.test((await orUndefined(readFile(join(path, 'maps'), 'latin1'))) ?? '')
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
