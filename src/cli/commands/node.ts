/** `dagdrive node set`, `dagdrive node forget` and `dagdrive node test`. */
import { isDriveError, printable, printableLines } from '../../base/index.js'
import { checkProgressLine } from '../check-progress-line.js'
import { callDaemon } from '../daemon-process.js'
import { formatBytes, formatCount } from '../format.js'
import { nodeLine, noteWarnings } from '../report.js'
import { readSecretFile } from '../secret-file.js'
import { ask, driveExists, noteStopped, requireOpenDrive, show, type Session, type UnlockOptions } from '../session.js'

interface NodeOptions extends UnlockOptions {
  readonly keyFile?: string
  readonly json?: boolean
}

export async function nodeSet(session: Session, url: string, options: NodeOptions): Promise<void> {
  await requireOpenDrive(session, options).catch(async (error: unknown) => {
    // If the old node has lost the drive, this node may still have it.
    if (!isDriveError(error, 'NO_DRIVE') || !(await driveExists(session))) throw error
  })
  const report = await ask(session, 'nodeSet', { url, ...(await keyOf(session, options)) })
  show(
    session,
    options.json,
    report,
    printableLines([nodeLine(report), 'It holds the published version, and new versions will be published to it.']),
  )
  noteWarnings(session, report)
}

/** Fails, and removes nothing, while the configured node has not confirmed all that the store holds. */
export async function nodeForget(
  session: Session,
  options: UnlockOptions & { readonly json?: boolean },
): Promise<void> {
  await requireOpenDrive(session, options)
  const report = await callDaemon(
    session.paths,
    'nodeForget',
    {},
    {
      onProgress: (what) => session.terminal.status(checkProgressLine(what)),
      onStopped: noteStopped(session),
    },
  ).finally(() => session.terminal.endProgress())
  const { removed, freedBytes, left, where } = report
  const lines = removed
    ? [`The embedded store was removed; ${formatBytes(freedBytes)} are free.`]
    : ['There is no embedded store of an earlier node here.']
  if (left > 0) lines.push(`${formatCount(left, 'name')} in its folder not of the store stay there: ${where ?? ''}`)
  show(session, options.json, report, printableLines(lines))
}

/** Needs no drive. Fails with the node's own error when the node cannot be used. */
export async function nodeTest(session: Session, url: string | undefined, options: NodeOptions): Promise<void> {
  const given = { ...(url === undefined ? {} : { url }), ...(await keyOf(session, options)) }
  const report = await ask(session, 'nodeTest', given)
  show(session, options.json, report, printable(nodeLine(report)))
}

async function keyOf(session: Session, options: NodeOptions): Promise<{ key?: string }> {
  if (options.keyFile === undefined) return {}
  return { key: await readSecretFile(options.keyFile, 'node key', session.terminal) }
}
