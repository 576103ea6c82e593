import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import test from 'ava'

test('S-177 what any thread prints while the disk of the log is full is lost, and no failure of the daemon', async (t) => {
  const source = `
    import { writeSync } from 'node:fs'
    import { Worker } from 'node:worker_threads'
    import { loseOutputOfFullDisk } from ${JSON.stringify(new URL('./log-file.js', import.meta.url).href)}
    loseOutputOfFullDisk()
    const say = (what) => writeSync(3, what)
    process.on('uncaughtException', (error) => say('uncaught: ' + error.message))
    const worker = new Worker("process.emitWarning('a library warns'); process.stdout.write('x')", { eval: true })
    worker.on('exit', () => {
      process.emitWarning('again')
      process.stderr.write('x', () => say('written'))
    })`
  const full = openSync('/dev/full', 'w')
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', full, full, 'pipe'],
  })
  const [said] = await Promise.all([text(child.stdio[3] as NodeJS.ReadableStream), once(child, 'exit')])
  t.is(said, 'written')
})
