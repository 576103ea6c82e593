// The order in which test files start. A long file that starts last would run alone at the end.

/** Seconds of the long files, measured once on two cores. A wrong figure costs time and nothing else. */
const SECONDS = {
  'test/e2e/second-device': 382,
  'test/crash/cut-off': 273,
  'test/e2e/node-set': 208,
  'test/e2e/two-devices': 201,
  'test/e2e/differential': 152,
}

/** A comparator of the paths of compiled test files. */
export function longestFirst(a, b) {
  return secondsOf(b) - secondsOf(a) || (a < b ? -1 : 1)
}

function secondsOf(path) {
  const [, name] = /dist\/(.*)\.test\.js$/.exec(path) ?? []
  return SECONDS[name] ?? 1
}
