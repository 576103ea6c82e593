// The order in which test files start. A long file that starts last would run alone at the end.

/** Seconds of the long files, measured once on two cores. A wrong figure costs time and nothing else. */
const SECONDS = {
  'test/e2e/first-hour': 200,
  'test/crash/cut-off': 180,
  'test/e2e/second-device': 160,
  'test/e2e/two-devices': 150,
  'test/e2e/differential': 120,
  'test/e2e/node-set': 90,
  'src/fuse/holder/resent': 40,
  'src/node/embedded/store': 40,
  'src/sync/heads/forged-names': 40,
  'src/node/kubo/kubo-node': 30,
  'src/vfs/content/fetch-failures': 26,
  'src/sync/check/check': 14,
  'src/sync/check/check-elsewhere': 12,
  'src/sync/publish/one-failure': 14,
  'src/sync/build/real-tree': 11,
  'src/vfs/namespace/remote-pages': 9,
  'src/vfs/background/removals': 9,
  'src/sync/fetch/lying-pin-tree': 8,
  'src/node/kubo/floods': 8,
  'src/vfs/namespace/large-directory': 7,
  'src/sync/publish/crash': 7,
  'src/sync/publish/cut-off': 7,
  'src/sync/fetch/interrupted-take-over': 6,
  'src/sync/moved-node/earlier-node': 6,
  'src/sync/moved-node/other-node': 6,
  'src/node/embedded/collect-garbage': 6,
}

/** Of all other files, by the beginning of their names. The first that fits counts. */
const OTHERS = [
  ['test/crash/', 60],
  ['test/contract/', 60],
  ['test/e2e/', 30],
  ['src/fuse/mounts/', 10],
  ['src/sync/', 4],
  ['', 1],
]

/** A comparator of the paths of compiled test files. */
export function longestFirst(a, b) {
  return secondsOf(b) - secondsOf(a) || (a < b ? -1 : 1)
}

function secondsOf(path) {
  const [, name = ''] = /dist\/(.*)\.test\.js$/.exec(path) ?? []
  return SECONDS[name] ?? OTHERS.find(([begin]) => name.startsWith(begin))[1]
}
