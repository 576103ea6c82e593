import { execFileSync } from 'node:child_process'
import { readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { testWhere } from '../support/available.js'
import { temporaryFolder, testDrive } from '../support/drive.js'

/** Much longer than a command takes. */
const PATIENCE_MS = 300_000

for (const kind of ['pipe', 'link'] as const) {
  testWhere('fuse')(
    `S-093 with a ${kind} in place of a file of the home, commands fail with an error that names it`,
    async (t) => {
      t.timeout(10 * 60_000)
      const drive = testDrive(t)
      const other = join(temporaryFolder(t, 'other'), 'file')
      await drive.up()
      await drive.must(['unmount'])
      await drive.run(['daemon', 'stop'])
      for (const name of ['daemon.lock', 'config.json', 'node.key', 'drive.key', 'mounts.json', 'daemon.log']) {
        const path = join(drive.home, name)
        const aside = `${path}.aside`
        const isThere = name !== 'node.key'
        if (isThere) renameSync(path, aside)
        writeFileSync(other, 'of another program')
        if (kind === 'pipe') execFileSync('mkfifo', ['-m', '600', path])
        else symlinkSync(other, path)
        const { code, stderr } = await drive.run(['mount', drive.mountpoint], PATIENCE_MS)
        // The embedded node needs no key.
        if (name === 'node.key') t.is(code, 0, name)
        else {
          t.not(code, 0, name)
          t.true(stderr.includes(name), `${name}: ${stderr}`)
        }
        t.is(readFileSync(other, 'utf8'), 'of another program', name)
        await drive.run(['daemon', 'stop'], PATIENCE_MS)
        rmSync(path, { force: true })
        if (isThere) renameSync(aside, path)
      }
      await drive.mount()
      t.pass('when the files are back, everything works as before')
    },
  )
}
