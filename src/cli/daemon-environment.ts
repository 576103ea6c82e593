/** The environment of the daemon: that of the command, without variables that open the daemon to others. */
import { resolve } from 'node:path'

/**
 * Bounds chosen by measurement (S-005): few malloc arenas, buffers of 128 KiB and more returned to the system when
 * freed (50 MiB less after copying 1 GB, at no cost in speed), threads for fsync and kernel notifications.
 */
const BOUNDS = {
  UV_THREADPOOL_SIZE: '8',
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '131072',
}

/** Variables of Node that are passed on; all others are left out. */
const KEPT_OF_NODE = new Set(['NODE_EXTRA_CA_CERTS', 'NODE_OPTIONS'])
/** Options of Node that load code of the user's choice or add certificates. */
const KEPT_OPTION = /^(--import=|--require=|--use-openssl-ca$|--use-system-ca$)/

/**
 * Variables of Node can open a debugger to every user of this machine, write memory to files, log the traffic to a
 * node, or disable the check of certificates. They are meant for programs under development and are not passed on.
 */
export function daemonEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(environment).filter(([name]) => !name.startsWith('NODE_') || KEPT_OF_NODE.has(name))
  const options = keptOptions(environment['NODE_OPTIONS'] ?? '')
  return absoluteHome({
    ...Object.fromEntries(kept),
    // A variable that is missing here is added by `spawn`.
    NODE_V8_COVERAGE: undefined,
    NODE_OPTIONS: options === '' ? undefined : options,
    ...BOUNDS,
  })
}

function keptOptions(options: string): string {
  return options
    .split(/\s+/)
    .filter((option) => KEPT_OPTION.test(option))
    .join(' ')
}

/** XDG variables are absolute by definition; DAGDRIVE_HOME may be relative to the caller's directory. */
function absoluteHome(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const home = environment['DAGDRIVE_HOME']
  if (home === undefined || home === '') return environment
  return { ...environment, DAGDRIVE_HOME: resolve(home) }
}
