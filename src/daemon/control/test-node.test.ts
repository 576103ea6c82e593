import type { DriveError } from '../../base/index.js'
import { silentLog, systemClock, systemRandom } from '../../base/index.js'
import { openNode } from '../../node/index.js'
import { DEFAULT_CONFIG } from '../../platform/index.js'
import { requireKubo, testWithKubo } from '../../../test/kubo/require-kubo.js'
import { testNode } from './test-node.js'

const CHECKED = ['id', 'version', 'repo/stat']

testWithKubo('R-21 a test of a node stores and reads a name, and says which call the key does not allow', async (t) => {
  const paths = (names: readonly string[]): string[] => names.map((name) => `/api/v0/${name}`)
  const kubo = await requireKubo(t, {
    authorizations: {
      whole: { AuthSecret: 'bearer:whole', AllowedPaths: paths([...CHECKED, 'name/put', 'name/get']) },
      blind: { AuthSecret: 'bearer:blind', AllowedPaths: paths([...CHECKED, 'name/put']) },
      mute: { AuthSecret: 'bearer:mute', AllowedPaths: paths([...CHECKED, 'name/get']) },
    },
  })
  const common = { dataDirectory: '/nonexistent', clock: systemClock, log: silentLog, random: systemRandom }
  const daemon = {
    drive: undefined,
    config: () => Promise.resolve(DEFAULT_CONFIG),
    connectNode: (url: string, credential: { key: string } | undefined) =>
      openNode(url, { ...common, credentials: credential?.key }),
    nodeCredential: (_url: string, key: string | undefined) =>
      Promise.resolve(key === undefined ? undefined : { key, listener: undefined }),
  }
  const tried = (key: string, withNames: boolean) =>
    testNode(daemon, { url: kubo.url, key: `bearer:${key}` }, { signal: new AbortController().signal, withNames })
  t.is((await tried('whole', true)).state, 'reachable')
  t.is((await tried('mute', false)).state, 'reachable', 'only on request')
  for (const [key, call] of [
    ['blind', 'name/get'],
    ['mute', 'name/put'],
  ] as const) {
    const error = await t.throwsAsync<DriveError>(tried(key, true), { code: 'NODE_DENIED' })
    t.true(error?.message.includes(`does not allow ${call}`), error?.message)
  }
})
