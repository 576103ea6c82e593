/** `dagdrive node set` and `dagdrive node test`. */
import { isDriveError, printable, printableLines } from '../../base/index.js'
import { nodeLine, noteWarnings } from '../report.js'
import { readSecretFile } from '../secret-file.js'
import { ask, driveExists, requireOpenDrive, show, type Session, type UnlockOptions } from '../session.js'

interface NodeOptions extends UnlockOptions {
  readonly keyFile?: string
  readonly json?: boolean
}

export async function nodeSet(session: Session, url: string, options: NodeOptions): Promise<void> {
  await requireOpenDrive(session, options).catch(async (error: unknown) => {
    // A drive that its node does not know any more may be on this one.
    if (!isDriveError(error, 'NO_DRIVE') || !(await driveExists(session))) throw error
  })
  const report = await ask(session, 'nodeSet', { url, ...(await keyOf(session, options)) })
  show(
    session,
    options.json,
    report,
    printableLines([nodeLine(report), 'The published version is there, and so will the next ones be.']),
  )
  noteWarnings(session, report)
}

/** Needs no drive. Fails with the node's own error when it cannot be used. */
export async function nodeTest(session: Session, url: string | undefined, options: NodeOptions): Promise<void> {
  const given = { ...(url === undefined ? {} : { url }), ...(await keyOf(session, options)) }
  const report = await ask(session, 'nodeTest', given)
  show(session, options.json, report, printable(nodeLine(report)))
}

async function keyOf(session: Session, options: NodeOptions): Promise<{ key?: string }> {
  if (options.keyFile === undefined) return {}
  return { key: await readSecretFile(options.keyFile, 'node key', session.terminal) }
}
