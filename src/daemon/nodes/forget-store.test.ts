/** What `node forget` refuses before it removes anything. */
import { access, mkdir, rename, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { failsWith } from '../../../test/suites/node.suite.js'
import { rawBlocks } from '../../../test/suites/node-material.js'
import { folder, use } from '../../../test/support/node/embedded-store.js'
import type { IpfsNode } from '../../node/index.js'
import { DEFAULT_CONFIG, drivePaths, type DriveConfig } from '../../platform/index.js'
import { forgetStore } from './forget-store.js'

interface Home {
  readonly base: string
  /** Of the embedded store. */
  readonly store: string
  readonly forget: (config: Partial<DriveConfig>) => Promise<unknown>
}

async function home(t: ExecutionContext): Promise<Home> {
  const base = await folder(t)
  const paths = drivePaths({ DAGDRIVE_HOME: base })
  const forget = (config: Partial<DriveConfig>): Promise<unknown> =>
    forgetStore(
      {
        paths,
        config: async () => ({ ...DEFAULT_CONFIG, ...config }),
        requireDrive: () => Promise.reject(new Error('The node is asked.')),
      },
      { signal: new AbortController().signal, progress: () => undefined },
    )
  return { base, store: paths.embeddedNodeDirectory, forget }
}

const fill = (node: IpfsNode): Promise<unknown> => node.importBlocks(rawBlocks(1, 100, 1), { roots: [] })
const at = (path: string): string => pathToFileURL(path).href

test('S-185 node forget finishes no removal of the folder that the node is in', async (t) => {
  const { base, store, forget } = await home(t)
  const forgotten = `${store}.forgotten`
  await use(forgotten, fill)
  await symlink(base, join(base, 'link'))
  for (const path of [forgotten, join(base, 'link', 'node.forgotten'), join(forgotten, 'mine'), base])
    for (const config of [{ nodeUrl: at(path) }, { nodeUrl: 'http://127.0.0.1:1', movingTo: at(path) }])
      await failsWith(t, ['INVALID'], forget(config))
  await symlink(forgotten, store)
  await failsWith(t, ['INVALID'], forget({ nodeUrl: 'embedded' }))
  await access(join(forgotten, 'dagdrive-store'))
  t.pass()
})

test('S-185 node forget does not remove the store that the node is in or below', async (t) => {
  const { store, forget } = await home(t)
  await use(store, fill)
  await mkdir(join(store, 'mine'))
  for (const path of [store, join(store, 'mine'), join(store, 'not', 'made')])
    await failsWith(t, ['INVALID'], forget({ nodeUrl: at(path) }))
  await access(join(store, 'dagdrive-store'))
  t.pass()
})

test('S-185 a store that a process serves is not removed, also where a removal of it was begun', async (t) => {
  const { store, forget } = await home(t)
  await use(store, async (node) => {
    await fill(node)
    await rename(store, `${store}.forgotten`)
    await failsWith(t, ['LOCKED'], forget({ nodeUrl: 'embedded' }))
    await access(join(`${store}.forgotten`, 'dagdrive-store'))
    await rename(`${store}.forgotten`, store)
  })
  await rename(store, `${store}.forgotten`)
  t.like(await forget({ nodeUrl: 'embedded' }), { removed: true, left: 0 })
})
