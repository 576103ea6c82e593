/**
 * A drive whose node is a folder on a disk that was out of our hands: its daemon was killed in a container, or the
 * store is damaged or malicious.
 */
import { spawn } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { projectRoot } from '../support/sources.js'
import { testWhere } from '../support/available.js'
import { program, temporaryFolder, testDrive } from '../support/drive.js'

const CLI = join(projectRoot, 'dist/src/cli/main.js')

testWhere('fuse', 'root')(
  'S-040 a store whose daemon was killed in a container opens at once on another machine',
  async (t: ExecutionContext) => {
    t.timeout(10 * 60_000)
    const folder = temporaryFolder(t, 'container')
    const node = `file://${join(folder, 'node')}`
    const phrase = join(folder, 'phrase')
    const mountpoint = join(folder, 'mount')
    mkdirSync(mountpoint)
    const script =
      'hostname elsewhere; "$0" "$1" up "$2" --node "$3" --phrase-out "$4" && echo kept > "$2/file" && "$0" "$1" sync && echo ready && sleep 600'
    const inside = spawn(
      'unshare',
      [
        '--pid',
        '--uts',
        '--mount',
        '--mount-proc',
        '--fork',
        '--kill-child',
        'sh',
        '-c',
        script,
        process.execPath,
        CLI,
        mountpoint,
        node,
        phrase,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, DAGDRIVE_HOME: join(folder, 'home') } },
    )
    const gone = new Promise((resolve) => inside.once('exit', resolve))
    let output = ''
    await new Promise<void>((resolve) => {
      inside.stdout.on('data', (text: Buffer) => {
        output += text.toString()
        if (output.includes('ready')) resolve()
      })
      void gone.then(() => resolve())
    })
    t.true(output.includes('ready'), output)
    const drive = testDrive(t)
    const refused = await drive.run(['node', 'test', node])
    t.not(refused.code, 0, 'in use')
    inside.kill('SIGKILL')
    await gone
    await drive.up(['--node', node, '--phrase-file', phrase])
    t.is(program('cat', [join(drive.mountpoint, 'file')]), 'kept\n')
  },
)

testWhere('fuse')(
  'S-041 S-080 a damaged or malicious disk: the command reports it, no process crashes, nothing outside is changed',
  async (t: ExecutionContext) => {
    t.timeout(10 * 60_000)
    const folder = temporaryFolder(t, 'foreign')
    const phrase = join(folder, 'phrase')
    const sound = join(folder, 'sound')
    const drive = testDrive(t)
    await drive.up(['--node', `file://${sound}`, '--phrase-out', phrase])
    program('sh', ['-c', 'for i in 1 2 3; do head -c 300000 /dev/urandom > f$i; done; sync f1'], {
      cwd: drive.mountpoint,
    })
    const sums = program('sh', ['-c', 'sha256sum f1 f2 f3'], { cwd: drive.mountpoint })
    await drive.unmount()
    await drive.stop()

    const victim = join(folder, 'victim')
    const prepared: Record<string, (store: string) => void> = {
      'a segment is a link': (store) => {
        renameSync(join(store, 'segments/00000001.seg'), victim)
        symlinkSync(victim, join(store, 'segments/00000001.seg'))
      },
      'the index is another LMDB file': (store) => {
        writeFileSync(join(store, 'index.mdb'), Buffer.alloc(65_536, 0xef))
        writeFileSync(join(store, 'dagdrive-store'), 'dagdrive block store, format 1\n')
      },
      'both lists of pins and names are truncated': (store) => {
        for (const name of ['roots', 'roots.copy']) truncateSync(join(store, name), 50)
      },
      'the index is random bytes': (store) => writeFileSync(join(store, 'blocks.log'), Buffer.alloc(10_000, 0x1b)),
      'texts hold escape sequences': (store) => {
        for (const name of ['lock', 'dagdrive-store'])
          writeFileSync(join(store, name), '\u001b[31m\u001b]0;owned\u0007'.repeat(9))
      },
      'the index is a terabyte of zeros': (store) => {
        writeFileSync(join(store, 'blocks.sorted'), '')
        truncateSync(join(store, 'blocks.sorted'), 2 ** 40)
      },
      'the log of the index is a terabyte long': (store) => truncateSync(join(store, 'blocks.log'), 2 ** 40),
      'it is undamaged': () => undefined,
    }
    const sounds = new Set(Object.keys(prepared).slice(-3))
    for (const [what, prepare] of Object.entries(prepared)) {
      const store = join(folder, 'store')
      program('rm', ['-rf', store, victim])
      cpSync(sound, store, { recursive: true })
      prepare(store)
      const before = existsSync(victim) ? readFileSync(victim) : undefined
      const second = testDrive(t)
      const { code, stdout, stderr } = await second.run([
        'up',
        second.mountpoint,
        '--node',
        `file://${store}`,
        '--phrase-file',
        phrase,
      ])
      t.false((stdout + stderr).includes('\u001b'), what)
      t.true(code >= 0 && code < 128, `${what}: ${code} ${stderr}`)
      if (sounds.has(what)) {
        t.is(code, 0, `${what}: ${stderr}`)
        t.is(program('sh', ['-c', 'sha256sum f1 f2 f3'], { cwd: second.mountpoint }), sums)
      } else {
        t.not(code, 0, `${what}: ${stdout}`)
        t.regex(stderr, /^dagdrive: [A-Z]/m, what)
      }
      if (before !== undefined) t.deepEqual(readFileSync(victim), before, what)
      if (code === 0) await second.unmount()
      await second.run(['daemon', 'stop'])
    }
    t.true(readdirSync(sound).length > 5)
  },
)

testWhere('fuse')(
  'S-031 a folder in the drive itself is refused as its node, because it would not be a copy',
  async (t: ExecutionContext) => {
    const drive = testDrive(t)
    await drive.up()
    const { mountpoint } = drive
    const linked = join(temporaryFolder(t, 'linked'), 'link')
    symlinkSync(mountpoint, linked)
    program('sh', ['-c', 'mkdir folder; echo kept > file; sync file'], { cwd: mountpoint })
    const before = (await drive.json<{ node: { where: string } }>(['status'])).node.where
    for (const folder of [join(mountpoint, 'store'), join(mountpoint, 'folder'), join(linked, 'folder/store')]) {
      for (const command of [
        ['node', 'set', `file://${folder}`],
        ['node', 'test', `file://${folder}`],
      ]) {
        const { code, stderr } = await drive.run(command)
        t.is(code, 46, stderr)
        t.regex(stderr, /in the drive itself/)
      }
    }
    t.is(program('ls', ['-A', '.', 'folder'], { cwd: mountpoint }), '.:\nfile\nfolder\n\nfolder:\n')
    t.is((await drive.json<{ node: { where: string } }>(['status'])).node.where, before)
    await drive.unmount()
  },
)
