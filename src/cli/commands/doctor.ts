/** `dagdrive doctor`: checks this machine in a separate process, so that a broken addon or drive cannot stop it. */
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { DriveError, printableLines } from '../../base/index.js'
import { doctorCommand } from '../daemon-process.js'
import { OTHER_STATUS } from '../exit-status.js'
import { show, type Session } from '../session.js'

/** One finding of src/daemon/doctor/doctor.ts. */
interface Finding {
  readonly check: string
  readonly level: 'ok' | 'warning' | 'problem'
  readonly message: string
}

const MARKS = { ok: 'ok      ', warning: 'warning ', problem: 'PROBLEM ' } as const

export async function doctor(session: Session, options: { readonly json?: boolean }): Promise<void> {
  const command = doctorCommand()
  const child = spawn(process.execPath, command.arguments, {
    env: command.environment,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const output = await text(child.stdout)
  let findings: Finding[]
  try {
    findings = JSON.parse(output) as Finding[]
  } catch (error) {
    throw new DriveError('INTERNAL', 'The check could not run. Its messages are above.', { cause: error })
  }
  const lines = findings.map((finding) => `${MARKS[finding.level]}${finding.check}: ${finding.message}`)
  show(session, options.json, { findings }, printableLines(lines))
  if (findings.some((finding) => finding.level === 'problem')) session.status = OTHER_STATUS.problemsFound
}
