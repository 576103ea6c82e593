/** Reads /proc/self/mountinfo. This never accesses a mount. */
import { readFile, realpath } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'

/** The filesystem type of dagdrive mounts. */
export const FILESYSTEM_TYPE = 'fuse.dagdrive'
/** The source in the mount table. The colon keeps `df`, `umount` and others from reading it as a relative path. */
export const MOUNT_SOURCE = 'dagdrive:drive'

export interface MountEntry {
  readonly mountpoint: string
  readonly filesystem: string
  readonly source: string
  /** The number of the FUSE connection: the minor number of the mount's device. */
  readonly minor: number
  /** `major:minor`, the name in /sys/class/bdi. */
  readonly device: string
}

/** The topmost mount at exactly this path, or undefined. The caller has resolved symlinks in the path. */
export async function findMount(mountpoint: string): Promise<MountEntry | undefined> {
  return (await mounts()).filter((mount) => mount.mountpoint === mountpoint).at(-1)
}

/**
 * The mounted drive that this path lies in, or undefined.
 * @param path absolute, without symlinks; a mount at the path itself does not count
 */
export async function driveAround(path: string): Promise<string | undefined> {
  const around = (await mounts()).filter(({ mountpoint }) => path.startsWith(`${mountpoint}/`) || mountpoint === '/')
  const deepest = Math.max(...around.map(({ mountpoint }) => mountpoint.length))
  const covering = around.filter(({ mountpoint }) => mountpoint.length === deepest).at(-1)
  return covering?.filesystem === FILESYSTEM_TYPE ? covering.mountpoint : undefined
}

/** Every mount of this namespace. Of several at the same path, the last one is on top. */
export async function mounts(): Promise<MountEntry[]> {
  return parseMountInfo(await readFile('/proc/self/mountinfo', 'latin1'))
}

/** Parses lines of proc_pid_mountinfo(5): id parent maj:min root mountpoint options [tags] - type source options. */
export function parseMountInfo(text: string): MountEntry[] {
  const found: MountEntry[] = []
  for (const line of text.split('\n')) {
    const [before, after] = line.split(' - ')
    const left = before?.split(' ') ?? []
    const right = after?.split(' ') ?? []
    const [, , device, , mountpoint] = left
    const [filesystem, source] = right
    if (device === undefined || mountpoint === undefined || filesystem === undefined || source === undefined) continue
    found.push({
      mountpoint: unescape(mountpoint),
      filesystem: unescape(filesystem),
      source: unescape(source),
      minor: Number(device.split(':')[1]),
      device,
    })
  }
  return found
}

/** Spaces and a few other characters are octal there. Other bytes are unchanged UTF-8. */
function unescape(field: string): string {
  const bytes = field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)))
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

/**
 * The path as mountinfo shows it: absolute, with symlinks resolved. If the path cannot be resolved, for example because
 * of a dead mount, only its parent is.
 */
export async function canonicalMountpoint(path: string): Promise<string> {
  const absolute = resolve(path)
  const known = await findMount(absolute)
  if (known !== undefined || absolute === '/') return absolute
  const viaParent = join(await realpath(dirname(absolute)), basename(absolute))
  if ((await findMount(viaParent)) !== undefined) return viaParent
  return realpath(absolute)
}
