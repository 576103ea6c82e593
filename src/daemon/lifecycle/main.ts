/**
 * The daemon's entry. Loading modules is most of a start, and after a kill programs wait for it: the drive thread loads
 * its own beside the main thread's.
 */
import inspector from 'node:inspector'
import { prepareDriveThread } from '../drive-thread/prepare-drive-thread.js'

// A debugger that options of Node opened would show the keys to every user of this machine.
inspector.close()
// Set once, before anything else runs, because the umask applies to the whole process.
process.umask(0o077)
const startThread = prepareDriveThread()
const { runDaemon } = await import('./run-daemon.js')
await runDaemon(startThread)
