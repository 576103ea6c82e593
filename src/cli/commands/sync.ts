/** `dagdrive sync`: returns when everything written so far is published. */
import { amount } from '../report.js'
import { ask, requireOpenDrive, show, type Session, type UnlockOptions } from '../session.js'

export async function syncCommand(
  session: Session,
  options: UnlockOptions & { readonly json?: boolean },
): Promise<void> {
  await requireOpenDrive(session, options)
  const report = await ask(session, 'sync', {})
  const text = `Published version ${report.publishedHeight}: ${amount(report.levels.published)}.`
  show(session, options.json, report, text)
}
