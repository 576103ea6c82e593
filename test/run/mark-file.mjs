// Loaded into every test process before its file (ava.config.mjs). Under `npm test` it gives each file a folder of its
// own for temporary files, by which everything that the file starts can be found, and marks its begin and its end.
// Under plain `ava` it does nothing.
import { appendFileSync, chmodSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

/** `times` counts so (proc(5)). */
const TICK_MS = 10

const run = process.env.DAGDRIVE_TEST_RUN
if (run !== undefined) {
  const marks = `${run}/marks`
  const folder = makeFolder(`${process.env.DAGDRIVE_TEST_FOLDERS}/${process.pid}`)
  const file = relative(process.cwd(), fileURLToPath(test.meta.file)).replace(/^dist\/(.*)\.js$/, '$1.ts')
  process.env.TMPDIR = folder
  appendFileSync(marks, `begin ${process.pid} ${file} ${folder}\n`)
  const began = performance.now()
  process.once('exit', () => {
    appendFileSync(marks, `end ${process.pid} ${Math.round(performance.now() - began)} ${cpuMs()}\n`)
  })
}

/** Short, since paths of sockets are limited; longer only if an earlier process with this number left its folder. */
function makeFolder(path) {
  let folder = path
  try {
    mkdirSync(path)
  } catch {
    folder = mkdtempSync(`${path}-`)
  }
  // Tests also run programs as other users.
  chmodSync(folder, 0o755)
  return folder
}

/** Processor time of this process and of the children it waited for. */
function cpuMs() {
  // After the name of the program, which may hold anything: the fields 14 to 17 (proc(5)).
  const fields = readFileSync('/proc/self/stat', 'latin1').split(') ').at(-1).split(' ')
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * TICK_MS, 0)
}
