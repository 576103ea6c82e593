/** Drives that are made, opened, opened again and moved: one that exists is never overwritten or emptied. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { testWhere } from '../support/available.js'
import { program, temporaryFolder, testDrive, type TestDrive } from '../support/drive.js'

const test = testWhere('fuse')

const write = (drive: TestDrive, name: string, text: string): void => {
  program('sh', ['-c', 'cat > "$1"; sync "$1"', 'sh', name], { cwd: drive.mountpoint, input: text })
}
const read = (drive: TestDrive, name: string): string => program('cat', [name], { cwd: drive.mountpoint })

test('S-011 S-199 init and up never overwrite a drive, here or on the node, and a refusal leaves no block store', async (t: ExecutionContext) => {
  const folder = temporaryFolder(t, 'never')
  const phrase = join(folder, 'phrase')
  const node = ['--node', `file://${join(folder, 'node')}`]
  const first = testDrive(t)
  await first.up([...node, '--phrase-out', phrase])
  write(first, 'original', 'first')
  await first.must(['sync'])
  t.is((await first.run(['init', ...node])).code, 11)
  t.is((await first.run(['init', ...node, '--phrase-out', phrase])).code, 11)
  await first.must(['key', 'verify', '--phrase-file', phrase])
  const mistaken = join(folder, 'mistaken')
  writeFileSync(mistaken, readFileSync(phrase, 'utf8').replace(/\w+/, 'dagdrive'), { mode: 0o600 })
  const answer = await first.run(['key', 'verify', '--phrase-file', mistaken])
  t.is(answer.code, 46)
  t.regex(answer.stderr, /Word 1 is not in/)
  await first.unmount()

  const second = testDrive(t)
  t.regex(await second.up([...node, '--phrase-file', phrase]), /Opened the published drive/)
  t.is(read(second, 'original'), 'first')
  const third = testDrive(t)
  const disk = temporaryFolder(t, 'disk')
  for (const elsewhere of [join(folder, 'elsewhere'), disk]) {
    const moved = await second.run(['node', 'set', `file://${elsewhere}`])
    t.is(moved.code, 50)
    t.regex(moved.stderr, /does not hold all of the drive/)
  }
  t.is((await third.run(['init', '--node', `file://${disk}`, '--phrase-file', phrase])).code, 10)
  t.deepEqual([existsSync(join(folder, 'elsewhere')), readdirSync(disk)], [false, []], 'nothing is left of a refusal')
  t.is(read(second, 'original'), 'first')
  await second.unmount()

  await third.up(['--phrase-out', join(folder, 'other')])
  t.is((await third.run(['up', third.mountpoint, '--phrase-file', phrase])).code, 11)
  await third.unmount()
})

test('R-42 a home whose local data are gone opens its published drive again, not an empty one', async (t: ExecutionContext) => {
  const drive = testDrive(t)
  await drive.up(['--phrase-out', join(drive.home, '..', 'phrase')])
  write(drive, 'precious', 'gold')
  await drive.unmount()
  program('rm', ['-r', join(drive.home, 'data')])
  await drive.mount()
  t.is(read(drive, 'precious'), 'gold')
  write(drive, 'new', 'silver')
  await drive.unmount()
})

test('a new node gets everything published before it is used, and an unreachable one changes nothing', async (t: ExecutionContext) => {
  const folder = temporaryFolder(t, 'nodes')
  const phrase = join(folder, 'phrase')
  const drive = testDrive(t)
  await drive.up(['--node', `file://${join(folder, 'first')}`, '--phrase-out', phrase])
  write(drive, 'moved', 'along')
  await drive.must(['sync'])
  t.is((await drive.run(['node', 'set', 'http://127.0.0.1:9'])).code, 20)
  t.regex(await drive.must(['node', 'test']), /first/)
  await drive.must(['node', 'set', `file://${join(folder, 'second')}`])
  program('rm', ['-r', join(folder, 'first')])
  t.is(read(drive, 'moved'), 'along')
  await drive.unmount()
  const second = testDrive(t)
  await second.up(['--node', `file://${join(folder, 'second')}`, '--phrase-file', phrase])
  t.is(read(second, 'moved'), 'along')
  await second.unmount()
})

test('an interrupted first opening is repeated', async (t: ExecutionContext) => {
  const folder = temporaryFolder(t, 'cut')
  const phrase = join(folder, 'phrase')
  const node = ['--node', `file://${join(folder, 'node')}`]
  const first = testDrive(t)
  await first.up([...node, '--phrase-out', phrase])
  write(first, 'there', 'already')
  await first.unmount()
  const second = testDrive(t)
  await second.must(['init', ...node, '--phrase-file', phrase])
  await second.stop()
  program('rm', ['-r', join(second.home, 'data', 'queue')])
  writeFileSync(join(second.home, 'data', 'beginning'), '')
  await second.mount()
  t.is(read(second, 'there'), 'already')
  write(second, 'new', 'here')
  await second.unmount()
})
