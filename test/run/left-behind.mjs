// Finds and removes what a test file left: processes that name its temporary folder, mounts in it, the folder itself.
import { spawnSync } from 'node:child_process'
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'

/** Processes whose environment or arguments name the folder: `{ pid, command }`. */
export function processesOf(folder) {
  const found = []
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    const [words, environment] = ['cmdline', 'environ'].map((name) => textOf(`/proc/${pid}/${name}`))
    if (names(environment, folder) || names(words, folder))
      found.push({ pid: Number(pid), command: words.split('\0').join(' ').trim().slice(0, 200) })
  }
  return found
}

/** Mounts in the folder, the last one first: `{ path, device }`. */
export function mountsOf(folder) {
  const lines = textOf('/proc/self/mountinfo').split('\n')
  const mounts = lines.map((line) => line.split(' ')).filter(([, , , , path = '']) => path.startsWith(`${folder}/`))
  return mounts.map(([, , device, , path]) => ({ path: plain(path), device: device.split(':')[1] })).reverse()
}

/** Ends the processes, aborts and removes the mounts, then removes the folder. */
export function removeAll(folder) {
  // A killed process may have started another one meanwhile.
  for (let round = 0; round < 5; round++) {
    const processes = processesOf(folder)
    for (const { pid } of processes) kill(pid)
    if (processes.length === 0) break
    spawnSync('sleep', ['0.1'])
  }
  removeMounts(folder)
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  } catch {
    return // a mount was not removed; the folder is in /tmp
  }
}

/** An aborted connection fails every call that waits for its mount. */
export function removeMounts(folder) {
  for (const { path, device } of mountsOf(folder)) {
    try {
      writeFileSync(`/sys/fs/fuse/connections/${device}/abort`, '1')
    } catch {
      // not a FUSE mount, or not ours
    }
    const command = process.getuid() === 0 ? ['umount', '-l', path] : ['fusermount3', '-u', '-z', path]
    spawnSync(command[0], command.slice(1), { stdio: 'ignore', timeout: 5000 })
  }
}

export function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // it has ended
  }
}

function names(text, folder) {
  for (let at = text.indexOf(folder); at >= 0; at = text.indexOf(folder, at + 1)) {
    if (!/\d/.test(text[at + folder.length] ?? '')) return true
  }
  return false
}

function textOf(path) {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return '' // ended meanwhile, or of another user
  }
}

/** The kernel writes a space in a path as \040. */
function plain(path) {
  return path.replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)))
}
