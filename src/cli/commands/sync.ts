/** `dagdrive sync`: returns when everything written so far is published. */
import { publishedAmount } from '../report.js'
import { ask, requireOpenDrive, show, type Session, type UnlockOptions } from '../session.js'

export async function syncCommand(
  session: Session,
  options: UnlockOptions & { readonly json?: boolean },
): Promise<void> {
  await requireOpenDrive(session, options)
  const report = await ask(session, 'sync', {})
  const text = `Published version ${report.publishedHeight}: ${publishedAmount(report.levels)}.`
  show(session, options.json, report, text)
}
