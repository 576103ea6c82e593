/** Runs programs on a mount while its daemon is killed repeatedly; for the test and the bench. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { seededRandom, sleep } from '../../src/base/index.js'
import { program, type TestDrive } from '../support/drive.js'
import { runLiving, type ProgramOutcome } from '../support/living.js'
import { until } from '../support/until.js'

const KINDS = ['append', 'read', 'list', 'git', 'sqlite', 'unlinked'] as const

export interface KillOptions {
  /** Folder of the file that ends the programs. */
  readonly folder: string
  readonly rounds: number
  readonly seed: number
  /** Precedes the name of a program, to run it as another user. */
  readonly prefix?: readonly string[] | undefined
}

/** Kills the daemon `rounds` times, or until no daemon comes back. The drive must be mounted and empty. */
export async function killUnderPrograms(
  drive: TestDrive,
  { folder, rounds, seed, prefix = [] }: KillOptions,
): Promise<{ readonly kills: number; readonly programs: readonly ProgramOutcome[] }> {
  const chance = seededRandom(seed)
  const { mountpoint } = drive
  const script = `cd "$0" && mkdir many git && head -c 33554432 /dev/urandom > large &&
    python3 -c "for i in range(10000): open('many/name%05d' % i, 'w').close()" &&
    git -C git init -q && git -C git config user.email a@example.org && git -C git config user.name A`
  const [first, ...words] = [...prefix, 'sh', '-c', script, mountpoint]
  program(first ?? 'sh', words)
  const stop = join(folder, 'stop')
  const running = KINDS.map((kind) => {
    const directory = kind === 'git' ? join(mountpoint, 'git') : mountpoint
    return runLiving({ kind, directory, stop, prefix })
  })
  let kills = 0
  for (let round = 0; round < rounds; round++) {
    await sleep(600 + chance.next(900))
    drive.killDaemon()
    if (!(await untilTakenOver(drive, round + 1))) break
    kills++
  }
  await sleep(2000)
  writeFileSync(stop, '')
  return { kills, programs: await Promise.all(running) }
}

/** Whether daemons of this drive have taken the mount over this often. */
export async function untilTakenOver(drive: TestDrive, times: number): Promise<boolean> {
  const log = (): string => readFileSync(join(drive.home, 'daemon.log'), 'utf8')
  return until(() => log().split('the mount goes on').length - 1 >= times, 50)
}
