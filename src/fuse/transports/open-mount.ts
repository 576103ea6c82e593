/** The mount call of the native transport, and its options. */
import { DriveError } from '../../base/index.js'
import type { MountOptions, MountTarget } from '../contract.js'
import { FILESYSTEM_TYPE, MOUNT_SOURCE } from '../mounts/mount-info.js'
import { mountBeneath } from '../mounts/mount-beneath.js'
import { ERRNO, errnoName } from '../protocol/errno.js'
import { MS, type FuseNative, type NativeOutcome } from './native.js'

/** Mounts on the place, with mount(2) as root and through fusermount3 otherwise. @returns the descriptor */
export async function openMount(addon: FuseNative, place: MountTarget, options: MountOptions): Promise<number> {
  const asRoot = process.geteuid?.() === 0
  const source = options.source ?? MOUNT_SOURCE
  const common = commonOptions(options)
  const { mountpoint, target, replaces } = place
  const mount = (at: string): Promise<NativeOutcome> =>
    addon.mount(source, at, FILESYSTEM_TYPE, common, mountFlags(options))
  const outcome = !asRoot
    ? await addon.fusermount(mountpoint, helperOptions(options, source, common))
    : replaces
      ? await mountBeneath(addon, mountpoint, mount)
      : await mount(target)
  if (outcome.result >= 0) return outcome.result
  const why = outcome.message !== '' ? outcome.message : errnoName(-outcome.result)
  const hint = asRoot || outcome.result !== -ERRNO.ENOENT ? '' : ' (is fuse3 installed?)'
  throw new DriveError('MOUNT_FAILED', `The drive could not be mounted: ${why}${hint}`, {
    about: { errno: -outcome.result },
  })
}

/**
 * Mounts a live connection once more. Root only, because fusermount3 makes new connections.
 * @returns whether that is done
 */
export async function mountAgain(
  addon: FuseNative,
  descriptor: number,
  target: string,
  options: MountOptions,
): Promise<boolean> {
  if (process.geteuid?.() !== 0) return false
  const all = [`fd=${String(descriptor)}`, commonOptions(options)].filter((option) => option !== '').join(',')
  const { result } = await addon.mount(
    options.source ?? MOUNT_SOURCE,
    target,
    FILESYSTEM_TYPE,
    all,
    mountFlags(options),
  )
  if (result >= 0) addon.closeDescriptor?.(result) // a copy
  return result >= 0
}

function commonOptions(options: MountOptions): string {
  const checks = checksPermissions(options) ? ['default_permissions'] : []
  return [...checks, ...(options.allowOther === true ? ['allow_other'] : [])].join(',')
}

/**
 * Root passes every check except that of x bits, and operations/attributes.ts makes that one. With the kernel's checks,
 * each change in a directory costs one more GETATTR, because the kernel assumes that its mode changed.
 */
export function checksPermissions(options: MountOptions): boolean {
  return options.allowOther === true || process.geteuid?.() !== 0
}

function mountFlags(options: MountOptions): number {
  return MS.NOSUID | MS.NODEV | (options.readOnly === true ? MS.RDONLY : 0)
}

function helperOptions(options: MountOptions, source: string, common: string): string {
  const escaped = source.replace(/[\\,]/g, (character) => `\\${character}`)
  const access = options.readOnly === true ? 'ro' : 'rw'
  return `${access},nosuid,nodev,fsname=${escaped},subtype=dagdrive,${common}`
}
