/** The sentences of `status` and its relatives. Pure. */
import { printable, printableLines, type WireError } from '../base/index.js'
import type { LevelReport, LevelsReport, MountReport, NodeReport, QueueReport, StatusReport } from '../api/index.js'
import { formatBytes, formatCount, formatDuration } from './format.js'
import type { Terminal } from './terminal.js'

export function amount(level: LevelReport): string {
  return `${formatCount(level.files, 'file')}, ${formatBytes(level.bytes)}`
}

/** What is published, which may be more than this machine has seen; see `LevelsReport.isPartial`. */
export function publishedAmount({ published, isPartial }: LevelsReport): string {
  if (isPartial && published.files === 0) return 'not counted yet'
  return isPartial ? `at least ${amount(published)}` : amount(published)
}

/** `not checked yet` is not a failure: the health check runs from time to time. */
export function nodeLine(node: NodeReport): string {
  const kubo = `Kubo${node.version === undefined ? '' : ` ${node.version}`}`
  const what = { embedded: 'the embedded node', folder: 'a block store', kubo }[node.kind]
  const state = {
    reachable: 'reachable',
    unreachable: 'not reachable',
    denied: 'refuses our key',
    unknown: 'not checked yet',
  }
  const age = node.knownForMs === undefined || node.knownForMs < 1000 ? '' : `, ${formatDuration(node.knownForMs)} ago`
  const error = node.lastError === undefined ? '' : ` (${node.lastError})`
  return `Node: ${what} at ${node.where}, ${state[node.state]}${age}${error}`
}

/** Warnings about the node key, shown beside the answer. */
export function noteWarnings({ terminal }: { readonly terminal: Pick<Terminal, 'note'> }, node: NodeReport): void {
  for (const warning of node.warnings ?? []) terminal.note(printable(`warning: ${warning}`))
}

export function queueLine(queue: QueueReport): string {
  const parts = [
    queue.changed === 0
      ? 'nothing to upload'
      : `${formatCount(queue.changed, 'changed object')}${queue.bytes > 0 ? `, ${formatBytes(queue.bytes)}` : ''}`,
    queue.state,
  ]
  if (queue.nextTryMs !== undefined) parts.push(`next try in ${formatDuration(queue.nextTryMs)}`)
  if (queue.lastError !== undefined) parts.push(`last error: ${queue.lastError}`)
  return `Queue: ${parts.join(' · ')}`
}

/** Not a problem: remote ahead, but this device has not fast-forwarded yet. */
function newerLine({ height, deviceName }: NonNullable<StatusReport['newer']>): string {
  return `Newer: ${JSON.stringify(deviceName)} has published version ${height}. Unmount and mount again to see it here.`
}

/** Warns when no copy would survive the loss of this machine. */
function copiesLines(status: StatusReport): string[] {
  const count = status.copies.length
  if (count === 0 && (status.publishedHeight ?? 0) > 0)
    return ['Copies of what is published: 0. The node lacks some of it, or has it damaged.']
  if (count === 0) return ['Copies: none yet. Everything is on this machine only.']
  const lines = [`Copies of what is published: ${count}`]
  for (const copy of status.copies) lines.push(`  ${copy.where}${copy.sameMachine ? ' (this machine)' : ''}`)
  if (status.copies.every((copy) => copy.sameMachine)) {
    lines.push('  No copy is on another machine: losing this machine loses the drive.')
  }
  return lines
}

const STATES: Readonly<Record<StatusReport['state'], string>> = {
  'no-drive': 'no drive here yet',
  locked: 'locked; "dagdrive mount DIR" and "dagdrive sync" ask for the passphrase',
  opening: 'opening',
  open: 'open',
  failed: 'failed',
}

function mountLine({ directory, readOnly, isDead }: MountReport): string {
  if (isDead === true)
    return `Dead mount: ${directory} (its daemon was killed; "dagdrive unmount --now" detaches it, and "dagdrive mount" makes it anew)`
  return `Mounted: ${directory}${readOnly ? ' (read-only)' : ''}`
}

export function statusText(status: StatusReport): string {
  const lines = [`Drive: ${STATES[status.state]}`]
  if (status.levels !== undefined) {
    const { held, staged, stored } = status.levels
    lines.push(
      `  held       ${amount(held)}   in memory only`,
      `  staged     ${amount(staged)}   on this machine only`,
      `  stored     ${amount(stored)}   on the node, not yet in a published version`,
      `  published  ${publishedAmount(status.levels)}`,
    )
    if (status.levels.isPartial) lines.push('             Directories that were not read here yet are not counted.')
  }
  if (status.state === 'open') lines.push(...copiesLines(status))
  if (status.node !== undefined) lines.push(nodeLine(status.node))
  // One failure is reported in many places, and shown once.
  const shown = [undefined, status.node?.lastError]
  if (status.queue !== undefined) {
    const { lastError, ...queue } = status.queue
    lines.push(queueLine({ ...queue, lastError: shown.includes(lastError) ? undefined : lastError }))
    shown.push(lastError)
  }
  if (status.newer !== undefined) lines.push(newerLine(status.newer))
  if (status.cache !== undefined) {
    lines.push(`Cache: ${formatBytes(status.cache.usedBytes)} of ${formatBytes(status.cache.limitBytes)}`)
  }
  if (status.mounts.length === 0) lines.push('Mounts: none')
  for (const mount of status.mounts) lines.push(mountLine(mount))
  if (status.mayBeStaged === true) lines.push('There may be changes on this machine that are not published.')
  for (const warning of status.warnings ?? []) lines.push(`Warning: ${warning}`)
  if (!shown.includes(status.lastError)) lines.push(`Last error: ${status.lastError}`)
  return printableLines(lines)
}

/** A failure as a sentence, with the node's address and the system's error code where known. */
export function failureText({ code, message, about }: WireError): string {
  const details = [about['where'], about['errno']].filter((it) => it !== undefined && !message.includes(String(it)))
  const text = details.length === 0 ? message : withDetails(message, details.join(', '))
  return printable(code === 'MOUNT_FAILED' ? `${text.replace(/\.?$/, '.')} ${SEE_DOCTOR}` : text)
}

/** One sentence takes the details at its end. After several, or a quotation, they are in brackets. */
function withDetails(message: string, details: string): string {
  return /[.?"] |["?]\.?$/.test(message) ? `${message} (${details})` : `${message.replace(/\.$/, '')}: ${details}.`
}

const SEE_DOCTOR = '"dagdrive doctor" checks what a mount needs.'
