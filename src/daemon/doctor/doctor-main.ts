/** The process behind `dagdrive doctor`: one JSON array of findings on standard output. */
import { drivePaths } from '../../platform/index.js'
import { diagnose } from './doctor.js'

process.stdout.write(`${JSON.stringify(await diagnose(drivePaths()))}\n`, () => process.exit())
