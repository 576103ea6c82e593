/** Folders that cannot be a node because the home's own files are there. */
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { failsWith } from '../../../test/suites/node.suite.js'
import { program } from '../../../test/support/drive.js'
import { testWhere } from '../../../test/support/available.js'
import { drivePaths } from '../../platform/index.js'
import { requireOutsideHome } from './outside-the-home.js'

interface Made {
  readonly base: string
  readonly look: (path: string) => Promise<void>
}

async function made(t: ExecutionContext): Promise<Made> {
  const base = await mkdtemp(join(tmpdir(), 'dagdrive-outside-'))
  t.teardown(() => rm(base, { recursive: true, force: true }))
  const paths = drivePaths({ DAGDRIVE_HOME: join(base, 'home') })
  await mkdir(join(paths.embeddedNodeDirectory, 'segments'), { recursive: true })
  return { base, look: (path) => requireOutsideHome(pathToFileURL(join(base, path)).href, paths) }
}

test('S-195 a node is not in a folder of the home, does not contain one, and is not reached there by a link', async (t) => {
  const { base, look } = await made(t)
  await symlink(join(base, 'home'), join(base, 'link'))
  for (const path of ['home', 'home/node', 'home/node.forgotten', 'home/node/mine', 'home/node.forgotten/mine'])
    await failsWith(t, ['INVALID'], look(path))
  for (const path of ['home/other', 'home/data/x', '.', 'link/node', 'link/node.forgotten', 'link/a/b'])
    await failsWith(t, ['INVALID'], look(path))
  for (const path of ['home2', 'hom', 'other/home', 'node']) await t.notThrowsAsync(look(path))
  const { embeddedNodeDirectory, ...rest } = drivePaths({ DAGDRIVE_HOME: join(base, 'home') })
  for (const address of ['embedded', 'http://127.0.0.1:5001'])
    await t.notThrowsAsync(requireOutsideHome(address, { ...rest, embeddedNodeDirectory }))
})

testWhere('root')('S-195 a folder of the home is recognised where it is mounted a second time', async (t) => {
  const { base, look } = await made(t)
  const bound = join(base, 'bound')
  await mkdir(bound)
  for (const path of ['home', 'home/node']) {
    program('mount', ['--bind', join(base, path), bound])
    try {
      for (const inside of ['bound', 'bound/node.forgotten', 'bound/new']) await failsWith(t, ['INVALID'], look(inside))
    } finally {
      program('umount', ['-l', bound])
    }
  }
  await t.notThrowsAsync(look('bound'))
})
