/**
 * The daemon's entry. Loading modules takes most of the start, and after a kill programs wait for it. So the drive
 * thread loads its modules while the main thread loads its own.
 */
import inspector from 'node:inspector'
import { fileURLToPath } from 'node:url'
import { catchEndSignals } from './end-signals.js'
import { startNewerProgram } from './program/newer-program.js'
import { prepareDriveThread } from '../drive-thread/prepare-drive-thread.js'

// A debugger opened by options of Node would show the keys to every user of this machine.
inspector.close()
// Set once, before anything else runs, because the umask applies to the whole process.
process.umask(0o077)
if (await startNewerProgram(process.argv.slice(2), fileURLToPath(new URL('../../../../package.json', import.meta.url))))
  process.exit(0)
const signals = catchEndSignals(process)
const startThread = prepareDriveThread()
const { runDaemon } = await import('./run-daemon.js')
await runDaemon(startThread, signals)
