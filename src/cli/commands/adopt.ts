/** The files that were in the directory of a mount, for `dagdrive up --adopt`. */
import type { AdoptReport } from '../../api/index.js'
import { printable, printableLines } from '../../base/index.js'
import { EXIT_STATUS } from '../exit-status.js'
import { ask, type Session } from '../session.js'

/** Moves them into the drive. The exit status says if some are left. */
export async function adoptFiles(session: Session, directory: string): Promise<AdoptReport> {
  session.terminal.note(printable(`Moving what is in ${directory} into the drive.`))
  const report = await ask(session, 'adoptFiles', { directory })
  if (report.left > 0) session.status = EXIT_STATUS.NOT_EMPTY
  return report
}

export function adoptText({ moved, renamed, moreRenamed, left, problem }: AdoptReport, directory: string): string {
  const lines = [`Moved ${moved} ${moved === 1 ? 'file' : 'files'} into the drive.`]
  for (const { from, to } of renamed) lines.push(`The drive had ${from}: the other one is ${to}.`)
  if (moreRenamed > 0) lines.push(`${moreRenamed} more got another name.`)
  if (left > 0) {
    const why = problem === undefined ? '' : `: ${problem}`
    lines.push(`${left} ${left === 1 ? 'name is' : 'names are'} left beneath the mount at ${directory}${why}.`)
    lines.push(`They are hidden while the drive is mounted. Repeat the command to try again.`)
  }
  return printableLines(lines)
}
