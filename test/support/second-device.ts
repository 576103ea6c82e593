/** A drive on a Kubo daemon, published from one machine and opened on another that has read nothing. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { startKubo, type KuboDaemon } from '../kubo/daemon.js'
import { program, temporaryFolder, testDrive, type TestDrive } from './drive.js'

export interface SecondDevice {
  readonly kubo: KuboDaemon
  readonly drive: TestDrive
  /** A folder with what the first device published. */
  readonly expected: string
}

/** @param published a shell script that makes the content of the drive */
export async function secondDevice(
  t: ExecutionContext,
  published: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<SecondDevice> {
  const kubo = await startKubo({ version: '0.43' })
  t.teardown(() => kubo.stop())
  const folder = temporaryFolder(t, 'second-device')
  const [phrase, expected] = [join(folder, 'phrase'), join(folder, 'expected')]
  const first = testDrive(t)
  await first.up(['--node', kubo.url, '--phrase-out', phrase])
  program('sh', ['-c', published], { cwd: first.mountpoint })
  mkdirSync(expected)
  program('cp', ['-a', '.', expected], { cwd: first.mountpoint })
  await first.must(['sync'])
  await first.unmount()
  const drive = testDrive(t, { holder: true, environment })
  await drive.up(['--node', kubo.url, '--phrase-file', phrase])
  program('ls', ['-l', drive.mountpoint])
  return { kubo, drive, expected }
}
