// Runs one group of test files in ava, and counts what it reports. Always ends.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { kill } from './left-behind.mjs'

const AVA = join('node_modules', 'ava', 'entrypoints', 'cli.mjs')
/** Time for ava itself to begin or to end while no file runs. */
const IDLE_MS = 120_000

/**
 * @param group files, how many at a time, the longest time for one file in seconds, and where its temporary files are
 * @param run the counts, the followed files, `fail(line)` and `child`, the process of ava while one runs
 */
export async function runAva({ files, concurrency, longest, inMemory }, run) {
  if (files.length === 0) return
  // ava's own limit counts from the last result of any file; ours is for one file, and comes later.
  const args = [AVA, '--tap', '--timeout', `${longest}s`, '--concurrency', String(concurrency), ...files]
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...run.files.environment(inMemory), FORCE_COLOR: '0' },
  })
  run.child = child
  run.files.follow((longest + 60) * 1000)
  const watch = endIfIdle(child, run)
  const failedBefore = run.counts.failed
  const ended = new Promise((resolve) => child.on('error', () => resolve(1)).on('exit', resolve))
  const lines = createInterface({ input: child.stdout })
  lines.on('line', (line) => count(line, run))
  const code = await ended
  // A process that holds the pipe cannot keep us.
  await Promise.race([new Promise((resolve) => lines.once('close', resolve)), after(5000)])
  lines.close()
  clearInterval(watch)
  run.child = undefined
  await run.files.unfollow()
  if (code !== 0 && run.counts.failed === failedBefore) run.fail(`ava ended with status ${code ?? 'of a signal'}`)
}

function count(line, run) {
  console.log(line)
  const [, not, title, skip] = /^(not )?ok \d+ - (.*?)( # SKIP.*)?$/.exec(line) ?? []
  if (title === undefined) return
  run.last = title
  if (not !== undefined) run.counts.failed++
  else if (skip !== undefined) run.skip(title)
  else run.counts.passed++
}

/** Without a running file ava has nothing to wait for. */
function endIfIdle(child, run) {
  let busy = performance.now()
  return setInterval(() => {
    if (run.files.running.size > 0) busy = performance.now()
    if (performance.now() - busy < IDLE_MS) return
    run.fail(`ava did not end, although no test file runs`)
    kill(child.pid)
  }, 5000)
}

function after(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}
