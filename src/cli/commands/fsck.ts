/** `dagdrive fsck`: checks the data on this machine and on the node, reports damage, and repairs it on request. */
import type { FsckFinding, FsckProgress, FsckReport } from '../../api/index.js'
import { printable } from '../../base/index.js'
import { checkProgressLine } from '../check-progress-line.js'
import { callDaemon } from '../daemon-process.js'
import { OTHER_STATUS } from '../exit-status.js'
import { formatCount } from '../format.js'
import { noteStopped, requireOpenDrive, show, type Session, type UnlockOptions } from '../session.js'

export interface FsckOptions extends UnlockOptions {
  readonly repair?: boolean
  readonly node?: boolean
  readonly json?: boolean
}

/** The maximum number of findings in the JSON. The counts include all of them. */
const MOST_LISTED = 1000

export async function fsck(session: Session, options: FsckOptions): Promise<void> {
  const { repair = false, node = false, json } = options
  await requireOpenDrive(session, options)
  const findings: FsckFinding[] = []
  const onProgress = (what: FsckProgress): void => {
    if (!('finding' in what)) return session.terminal.status(checkProgressLine(what))
    if (json !== true) session.terminal.print(printable(findingText(what.finding)))
    else if (findings.length < MOST_LISTED) findings.push(what.finding)
  }
  let report: FsckReport
  try {
    report = await callDaemon(session.paths, 'fsck', { repair, node }, { onProgress, onStopped: noteStopped(session) })
  } catch (error) {
    // What was found before the check ended.
    if (json === true && findings.length > 0) show(session, json, { findings }, '')
    throw error
  } finally {
    session.terminal.endProgress()
  }
  show(session, json, { ...report, findings }, reportText(report, options))
  session.status = statusOf(report)
}

function statusOf({ open, lost }: FsckReport): number {
  if (lost > 0) return OTHER_STATUS.filesLost
  return open > 0 ? OTHER_STATUS.damageFound : OTHER_STATUS.done
}

const MARKS = { open: 'DAMAGED ', healed: 'healed  ', lost: 'LOST    ' } as const
const KINDS = {
  missing: 'missing',
  damaged: 'damaged',
  unpinned: 'not pinned',
  name: 'leads nowhere',
} as const

function findingText({ where, kind, what, path, cid, blocks, outcome }: FsckFinding): string {
  const about = path === undefined ? (cid ?? 'the drive') : quoted(path)
  const many = what === 'block' && blocks > 1 ? `${blocks} blocks` : what
  const place = where === 'here' ? 'on this machine' : 'on the node'
  return `${MARKS[outcome]}${about}: ${many} ${KINDS[kind]} ${place}`
}

/**
 * A name may hold any character and is shown on a terminal. It is quoted as in JSON. Characters that move the cursor or
 * hide text are escaped.
 */
function quoted(path: string): string {
  return printable(JSON.stringify(path === '' ? '/' : path))
}

function reportText(
  { checkedHere, checkedNode, open, healed, lost }: FsckReport,
  { node, repair }: FsckOptions,
): string {
  const read = `${formatCount(checkedHere, 'block')} checked on this machine${node === true ? `, ${formatCount(checkedNode, 'block')} on the node` : ''}`
  if (open + healed + lost === 0) return `${read}. No damage found.`
  const parts = [
    ...(healed > 0 ? [`${healed} healed`] : []),
    ...(open > 0 ? [`${open} can be repaired`] : []),
    ...(lost > 0 ? [`${lost} lost: no good copy was found`] : []),
  ]
  const hint = open > 0 && repair !== true ? ' Repair with "dagdrive fsck --repair --node".' : ''
  return `${read}. Findings: ${parts.join(', ')}.${hint}`
}
