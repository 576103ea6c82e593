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

test('options of Node that load code or certificates of the user are passed on', (t) => {
  const { NODE_OPTIONS } = daemonEnvironment({ NODE_OPTIONS: '--inspect --import=file:///a.mjs --use-openssl-ca' })
  t.is(NODE_OPTIONS, '--import=file:///a.mjs --use-openssl-ca')
})

test('a relative home is relative to the directory of the command', (t) => {
  t.is(daemonEnvironment({ DAGDRIVE_HOME: 'home' })['DAGDRIVE_HOME'], `${process.cwd()}/home`)
})
