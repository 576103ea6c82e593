/** The process behind `dagdrive doctor`: one JSON array of findings on standard output. */
import { drivePaths } from '../base/index.js'
import { diagnose } from './doctor.js'

process.stdout.write(`${JSON.stringify(await diagnose(drivePaths()))}\n`, () => process.exit())
