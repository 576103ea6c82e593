import { execFileSync } from 'node:child_process'
import test from 'ava'
import { daemonEnvironment } from './daemon-environment.js'

test('S-060 variables of Node that open a debugger, write memory or traffic to files or accept any certificate are not passed on', (t) => {
  const given = {
    PATH: '/bin',
    NODE_OPTIONS: '--inspect=0.0.0.0:9229 --heapsnapshot-signal=SIGUSR2 --report-on-signal --tls-keylog=/tmp/keys',
    NODE_TLS_REJECT_UNAUTHORIZED: '0',
    NODE_DEBUG: 'http',
    NODE_V8_COVERAGE: '/tmp/coverage',
    NODE_EXTRA_CA_CERTS: '/etc/ssl/own.pem',
  }
  const kept = daemonEnvironment(given)
  const names = Object.keys(kept).filter((name) => name.startsWith('NODE_') && kept[name] !== undefined)
  t.deepEqual(names, ['NODE_EXTRA_CA_CERTS'])
  t.is(kept['PATH'], '/bin')
})

test.serial('S-060 no coverage of the daemon is written, although Node passes that variable on by itself', (t) => {
  const before = process.env['NODE_V8_COVERAGE']
  process.env['NODE_V8_COVERAGE'] = '/nowhere'
  t.teardown(() => {
    if (before === undefined) delete process.env['NODE_V8_COVERAGE']
    else process.env['NODE_V8_COVERAGE'] = before
  })
  const env = daemonEnvironment(process.env)
  t.is(execFileSync('sh', ['-c', 'echo ${NODE_V8_COVERAGE-unset}'], { env, encoding: 'utf8' }), 'unset\n')
})

test('options of Node that load code or certificates of the user are passed on', (t) => {
  const { NODE_OPTIONS } = daemonEnvironment({ NODE_OPTIONS: '--inspect --import=file:///a.mjs --use-openssl-ca' })
  t.is(NODE_OPTIONS, '--import=file:///a.mjs --use-openssl-ca')
})

test('a relative home is relative to the directory of the command', (t) => {
  t.is(daemonEnvironment({ DAGDRIVE_HOME: 'home' })['DAGDRIVE_HOME'], `${process.cwd()}/home`)
})
