import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { nodeSuite } from '../../../test/suites/node.suite.js'
import { silentLog, systemClock, systemRandom } from '../../base/index.js'
import { allocatePages } from '../../platform/index.js'
import { openNode } from '../index.js'

const open = async (address: (directory: string) => string) => {
  const directory = await mkdtemp(join(tmpdir(), 'dagdrive-node-'))
  const common = { dataDirectory: directory, clock: systemClock, log: silentLog, random: systemRandom, allocatePages }
  return {
    node: await openNode(address(directory), common),
    dispose: () => rm(directory, { recursive: true, force: true }),
  }
}

nodeSuite('embedded', () => open(() => 'embedded'))
nodeSuite('file', () => open((directory) => pathToFileURL(join(directory, 'a store %20 ü')).href))
