// Loaded into every test process before its file (package.json, "ava"). Under `npm test` it gives each file a folder of
// its own for temporary files, by which everything that the file starts can be found, and marks its begin and its end.
// Under plain `ava` it does nothing.
import { appendFileSync, mkdirSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const run = process.env.DAGDRIVE_TEST_RUN
if (run !== undefined) {
  const marks = `${run}/marks`
  const folder = `${run}/${process.pid}`
  const file = relative(process.cwd(), fileURLToPath(test.meta.file)).replace(/^dist\/(.*)\.js$/, '$1.ts')
  // Tests also run programs as other users.
  mkdirSync(folder, { mode: 0o755 })
  process.env.TMPDIR = folder
  appendFileSync(marks, `begin ${process.pid} ${file}\n`)
  const began = performance.now()
  process.once('exit', () => appendFileSync(marks, `end ${process.pid} ${Math.round(performance.now() - began)}\n`))
}
