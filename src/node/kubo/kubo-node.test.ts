import { nodeSuite } from '../../../test/suites/node.suite.js'
import { startKubo, type KuboOptions } from '../../../test/kubo/daemon.js'
import { testWithKubo } from '../../../test/kubo/require-kubo.js'
import { silentLog, systemClock, systemRandom } from '../../base/index.js'
import { openNode } from '../index.js'

const open = async (options: KuboOptions) => {
  const daemon = await startKubo(options)
  const node = await openNode(daemon.unixUrl ?? daemon.url, {
    dataDirectory: '/nonexistent',
    clock: systemClock,
    log: silentLog,
    random: systemRandom,
    timeouts: { blockMs: 2000, workMs: 4000, nameMs: 4000 },
  })
  return { node, dispose: () => daemon.stop() }
}

nodeSuite('Kubo 0.43', () => open({ version: '0.43' }), testWithKubo)
nodeSuite('Kubo 0.40 by unix socket', () => open({ version: '0.40', unixSocket: true }), testWithKubo)
