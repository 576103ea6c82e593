/**
 * Runs a benchmark by name: `npm run bench -- scale|mount|pipeline|cut-off|car-upload|pause [its options]`. Without a
 * name, it lists them.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const BENCHMARKS: Readonly<Record<string, string>> = {
  scale: 'memory and speed of the daemon over a million files, a huge file, scattered writes',
  mount: 'the mount against its peers',
  pipeline: 'chunking, sealing and hashing against restic and borg',
  'cut-off': 'a device lost permanently after each call to a real Kubo: the drive that the phrase opens then',
  pause: 'kills of the daemon while programs run: errors and the longest pause',
  'car-upload': 'upload to a real Kubo against `ipfs dag import`',
}

const [name = '', ...options] = process.argv.slice(2)
if (BENCHMARKS[name] === undefined) {
  const lines = Object.entries(BENCHMARKS).map(([each, what]) => `  ${each.padEnd(12)}${what}`)
  process.stderr.write(`Which benchmark?\n${lines.join('\n')}\nThe options are listed at the start of bench/NAME.ts.\n`)
  process.exitCode = 2
} else {
  const file = fileURLToPath(new URL(`./${name}.js`, import.meta.url))
  process.exitCode = spawnSync(process.execPath, [file, ...options], { stdio: 'inherit' }).status ?? 1
}
