/** Right and wrong answers of a node about a drive, and the decisions they may affect. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { startKubo } from '../kubo/daemon.js'
import { startFaultProxy } from '../kubo/fault-proxy.js'
import { testWhere } from '../support/available.js'
import { temporaryFolder, testDrive, type TestDrive } from '../support/drive.js'

const STATUS = { DRIVE_EXISTS: 11, NO_DRIVE: 10, NODE_ERROR: 23 }
/** Answers with status 500 that contain "not found" and are not from Kubo. */
const WRONG = [
  'upstream host not found',
  '{"Message":"tenant not found","Code":0,"Type":"error"}',
  '{"Message":"record not found","Code":0,"Type":"error"}',
]

testWhere('go')(
  'S-046 S-011 a false "not found" of any kind creates no drive, and a true one only with --new',
  async (t: ExecutionContext) => {
    t.timeout(10 * 60_000)
    const kubo = await startKubo({ version: '0.43' })
    t.teardown(() => kubo.stop())
    const proxy = await startFaultProxy(kubo.url)
    t.teardown(() => proxy.close())
    const folder = temporaryFolder(t, 'answers')
    const [phrase, unknown] = [join(folder, 'phrase'), join(folder, 'unknown')]
    const node = ['--node', proxy.url]
    const first = testDrive(t)
    await first.must(['init', ...node, '--phrase-out', phrase])
    await first.must(['sync'])
    await first.stop()
    const other = testDrive(t)
    await other.must(['init', '--phrase-out', unknown])
    await other.stop()

    const second = testDrive(t)
    const refused = async (args: readonly string[], code: number): Promise<void> => {
      const { code: status, stderr } = await second.run(['init', ...node, ...args])
      t.is(status, code, stderr)
      t.false(hasDrive(second))
    }
    for (const body of WRONG) {
      proxy.inject({ path: 'name/get', kind: { status: 500, body } })
      await refused(['--phrase-file', phrase], STATUS.NODE_ERROR)
      await refused(['--phrase-file', phrase, '--new'], STATUS.NODE_ERROR)
    }
    proxy.heal()
    await refused(['--phrase-file', unknown], STATUS.NO_DRIVE)
    await refused(['--phrase-file', phrase, '--new'], STATUS.DRIVE_EXISTS)
    t.regex(await second.must(['init', ...node, '--phrase-file', unknown, '--new']), /new, empty drive/)
    const third = testDrive(t)
    t.regex(await third.must(['init', ...node, '--phrase-file', phrase]), /Opened the published drive/)
  },
)

function hasDrive(drive: TestDrive): boolean {
  return existsSync(join(drive.home, 'drive.key'))
}
