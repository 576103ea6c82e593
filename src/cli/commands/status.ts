/** `dagdrive status` and `dagdrive queue`. */
import type { StatusReport } from '../../api/index.js'
import { printable } from '../../base/index.js'
import { EXIT_STATUS, OTHER_STATUS } from '../exit-status.js'
import { queueLine, statusText } from '../report.js'
import { ask, driveExists, show, type Session } from '../session.js'

export interface ShowOptions {
  readonly json?: boolean
}

export async function status(session: Session, options: ShowOptions): Promise<void> {
  const report = await readStatus(session)
  if (report === undefined) return noDrive(session, options)
  show(session, options.json, report, statusText(report))
  if (report.state === 'failed') session.status = OTHER_STATUS.problemsFound
}

export async function queue(session: Session, options: ShowOptions): Promise<void> {
  const report = await readStatus(session)
  if (report === undefined) return noDrive(session, options)
  const answer = { state: report.state, queue: report.queue, staged: report.levels?.staged }
  show(
    session,
    options.json,
    answer,
    report.queue === undefined ? statusText(report) : printable(queueLine(report.queue)),
  )
}

async function readStatus(session: Session): Promise<StatusReport | undefined> {
  if (!(await driveExists(session))) return undefined
  // A stopped daemon cannot say how it is: that is the answer.
  const stopped = new AbortController()
  try {
    return await ask(session, 'status', {}, { signal: stopped.signal, onStopped: (error) => stopped.abort(error) })
  } catch (error) {
    throw stopped.signal.aborted ? stopped.signal.reason : error
  }
}

function noDrive(session: Session, options: ShowOptions): void {
  show(session, options.json, { state: 'no-drive' }, 'No drive here yet. Make one with "dagdrive up DIR".')
  session.status = EXIT_STATUS.NO_DRIVE
}
