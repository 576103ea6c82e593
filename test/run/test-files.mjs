// Follows the test files of a run by the marks that mark-file.mjs writes: which ones run, how long each took, and what
// it left behind. A file that runs for too long is killed.
import { appendFileSync, chmodSync, existsSync, mkdtempSync, readFileSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { kill, mountsOf, processesOf, removeAll, removeMounts } from './left-behind.mjs'

const TICK_MS = 1000
/** What ends by itself a moment after its test is not left behind. */
const GRACE_MS = 30_000
const MEMORY = '/dev/shm'
/** Room that tests in memory leave to others. */
const LEAST_ROOM_BYTES = 4 * 2 ** 30

export class TestFiles {
  /** Folder of this run, in which each test process has one of its own. */
  directory = mkdtempSync(join(tmpdir(), 'dagdrive-run-'))
  /** The same on a disk in memory, if there is one with room: no call waits for a real disk. */
  memory = hasRoom(MEMORY) ? mkdtempSync(join(MEMORY, 'dagdrive-run-')) : this.directory
  /** Files that run: pid → { file, began, ended }. */
  running = new Map()
  /** By file: seconds, and seconds of processor time of the file and of the children it waited for. */
  seconds = new Map()
  #report
  #graceMs
  #readTo = 0
  #timer

  /** `report` is called with a line for each defect of a file. */
  constructor(report, graceMs = GRACE_MS) {
    this.#report = report
    this.#graceMs = graceMs
    for (const folder of [this.directory, this.memory]) chmodSync(folder, 0o755)
    appendFileSync(this.#marks, '')
  }

  get #marks() {
    return join(this.directory, 'marks')
  }

  /** Environment of a process that runs tests. @param inMemory where the temporary files of its tests are */
  environment(inMemory) {
    return {
      DAGDRIVE_TEST_RUN: this.directory,
      DAGDRIVE_TEST_FOLDERS: inMemory ? this.memory : this.directory,
      // One copy of the program serves all drives of the run.
      DAGDRIVE_PROGRAMS: join(this.directory, 'programs'),
    }
  }

  /** Looks each second, until `unfollow`. */
  follow(longestMs) {
    this.#timer = setInterval(() => this.#look(longestMs), TICK_MS)
  }

  /** Waits until nothing is left of the files that ended, at most for the grace. */
  async unfollow() {
    clearInterval(this.#timer)
    const end = performance.now() + this.#graceMs + TICK_MS
    for (this.#look(0); this.running.size > 0 && performance.now() < end; this.#look(0))
      await new Promise((resolve) => setTimeout(resolve, 250))
  }

  /** Lines that say which files run. */
  describeRunning() {
    this.#readMarks()
    const open = [...this.running.values()].filter(({ ended }) => ended === undefined)
    return open.map(({ file, began }) => `${file} (for ${secondsSince(began)} s)`)
  }

  /** The files that took longest, with their seconds. */
  slowest(count) {
    const sorted = [...this.seconds].sort(([, a], [, b]) => b.wall - a.wall).slice(0, count)
    return sorted.map(([file, { wall, cpu }]) => `${inSeconds(wall)}, ${inSeconds(cpu)} of CPU  ${file}`)
  }

  /** Ends every process of the run and removes its mounts and folders, without a word. */
  remove() {
    clearInterval(this.#timer)
    for (const folder of new Set([this.directory, this.memory])) removeAll(folder)
  }

  #look(longestMs) {
    this.#readMarks()
    for (const one of this.running.values()) {
      if (one.ended === undefined && !existsSync(`/proc/${one.pid}`)) this.#end(one)
      if (one.ended !== undefined) this.#closeIfClean(one)
      else if (longestMs > 0 && performance.now() - one.began > longestMs) this.#giveUp(one)
    }
  }

  #readMarks() {
    const text = readFileSync(this.#marks, 'utf8')
    const whole = text.slice(this.#readTo, text.lastIndexOf('\n') + 1)
    this.#readTo += whole.length
    for (const [, kind, pid, first, second] of whole.matchAll(/^(begin|end) (\d+) (\S+) (.*)$/gm)) {
      if (kind === 'begin') this.running.set(pid, { pid, file: first, folder: second, began: performance.now() })
      else this.#end(this.running.get(pid), Number(first), Number(second))
    }
  }

  #end(one, ms, cpuMs) {
    if (one === undefined || one.ended !== undefined) return
    one.ended = performance.now()
    this.seconds.set(one.file, { wall: (ms ?? one.ended - one.began) / 1000, cpu: (cpuMs ?? NaN) / 1000 })
  }

  #closeIfClean(one) {
    const { pid, file, folder, ended } = one
    // The test process itself may still be ending.
    const processes = processesOf(folder).filter((other) => other.pid !== Number(pid))
    const mounts = mountsOf(folder)
    const isClean = processes.length === 0 && mounts.length === 0
    if (!isClean && performance.now() - ended < this.#graceMs) return
    for (const { pid: other, command } of processes) this.#report(`${file} left process ${other} behind: ${command}`)
    for (const { path } of mounts) this.#report(`${file} left a mount behind: ${path}`)
    removeAll(folder)
    this.running.delete(pid)
  }

  #giveUp(one) {
    this.#report(`${one.file} did not end within ${secondsSince(one.began)} s, and is killed`)
    this.#end(one)
    // A process that waits for a dead mount ends only when the mount is aborted.
    removeMounts(one.folder)
    kill(Number(one.pid))
  }
}

function secondsSince(ms) {
  return Math.round((performance.now() - ms) / 1000)
}

function inSeconds(seconds) {
  return `${seconds.toFixed(1).padStart(7)} s`
}

function hasRoom(path) {
  if (!existsSync(path)) return false
  const { bavail, bsize } = statfsSync(path)
  return bavail * bsize >= LEAST_ROOM_BYTES
}
