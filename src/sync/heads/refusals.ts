/**
 * Error messages for a head on the node that this device must not replace. Each says that nothing is lost, and what to
 * do.
 */
import { DriveError } from '../../base/index.js'
import { splitDriveSequence } from '../../dag/index.js'
import type { Newer } from '../contract.js'
import type { IgnoredHead } from './credible.js'

const NOTHING_LOST = 'Nothing was overwritten; local changes stay staged on this device.'
const WAY_OUT =
  'To continue: copy the changed files out of the mount, leave with `dagdrive unmount --now`, and open the drive in a new home (docs/RECOVERY.md).'

/** @param why what is wrong with the other version, as a clause */
export function diverged(who: string, why: string, about: Readonly<Record<string, string | number>>): DriveError {
  return new DriveError(
    'DIVERGED',
    `${who} has published changes this device does not have, and ${why}. ${NOTHING_LOST} ${WAY_OUT}`,
    { about },
  )
}

/** Remote ahead, but a fast-forward is impossible: this device has unpublished changes or an unfinished upload. */
export function needsMerging({ version, who }: Newer, what: 'changes' | 'plan'): DriveError {
  const { height, deviceSlot } = version.commit
  const own = what === 'changes' ? 'there are unpublished changes here' : 'an upload of this device is unfinished'
  return new DriveError(
    'DIVERGED',
    `${who} has published version ${height}, which has changes this device does not have, and ${own}: the two need merging, which this version of dagdrive cannot do. ` +
      `${NOTHING_LOST} ${WAY_OUT}`,
    { about: { height, deviceSlot } },
  )
}

/** The warning for a head that is ignored. */
export function ignoredHead({ name, sequence }: IgnoredHead): string {
  const what =
    sequence === undefined
      ? 'has a record that no device writes'
      : `points to version ${splitDriveSequence(sequence).height}, which cannot be read or does not follow from the versions before it`
  const then = name === 'drive' ? ' The heads of the devices are used instead.' : ''
  return `${nameInWords(name)} on the node ${what}. It is ignored.${then}`
}

/** The warning for a name that a hidden or forged record with a greater sequence keeps in its place. */
export function unmovableName(name: IgnoredHead['name']): string {
  const then = name === 'drive' ? 'The heads of the devices are used instead.' : 'The name of the drive is used alone.'
  return `${nameInWords(name)} cannot be moved on the node: a record with a higher number stands in the way. ${then}`
}

function nameInWords(name: IgnoredHead['name']): string {
  return name === 'drive' ? 'The name of the drive' : `The head of device ${name}`
}
