import test from 'ava'
import { isNodeUrl } from '../config.js'
import { nodeUrlOf } from '../index.js'

test('R-21 a node can be given as a multiaddr of Kubo, or as localhost and a port', (t) => {
  for (const [given, url] of [
    ['/ip4/127.0.0.1/tcp/5001', 'http://127.0.0.1:5001'],
    ['/ip4/192.168.1.2/tcp/5001/http', 'http://192.168.1.2:5001'],
    ['/ip6/::1/tcp/5001', 'http://[::1]:5001'],
    ['/dns/home-server/tcp/5001', 'http://home-server:5001'],
    ['/dns4/node.example/tcp/443/https', 'https://node.example:443'],
    ['/dns6/node.example/tcp/8443/tls/http', 'https://node.example:8443'],
    ['/dns/node.example/https', 'https://node.example'],
    ['/unix/run/user/1000/kubo/api.sock', 'unix:///run/user/1000/kubo/api.sock'],
    ['/unix/my folder/a%b#c', 'unix:///my%20folder/a%25b%23c'],
    ['localhost:5001', 'http://localhost:5001'],
    ['127.0.0.1:5001', 'http://127.0.0.1:5001'],
    ['[::1]:5001', 'http://[::1]:5001'],
    [' /ip4/127.0.0.1/tcp/5001\n', 'http://127.0.0.1:5001'],
  ] as const) {
    t.is(nodeUrlOf(given), url)
    t.true(isNodeUrl(url), url)
    t.is(nodeUrlOf(url), url)
  }
})

test('R-21 other addresses stay as they are: no scheme is guessed for another machine, and no path becomes a node', (t) => {
  for (const given of [
    '',
    'embedded',
    'https://host:5001/kubo',
    'file:///mnt/disk',
    'unix:///run/api.sock',
    'home-server:5001',
    'user:password@localhost:5001',
    '/mnt/disk',
    '/unix',
    '/unix/',
    '/ip4/localhost/tcp/5001',
    '/ip4/1.2.3.4/udp/5001',
    '/ip4/1.2.3.4/tcp/5001/p2p/12D3KooW',
    '/ip4/1.2.3.4/tcp/port',
    '/ip4/1.2.3.4',
    '/dns/user:password@host/tcp/1',
  ])
    t.is(nodeUrlOf(given), given)
  for (const given of ['home-server:5001', '/mnt/disk', '/ip4/1.2.3.4/udp/5001']) t.false(isNodeUrl(given), given)
})

test('R-21 an address whose path no file can have is none', (t) => {
  for (const scheme of ['file', 'FILE', 'unix']) {
    for (const path of ['a%2Fb', 'a%2fb', 'a%00b', 'a%', 'a%ff'])
      t.false(isNodeUrl(`${scheme}:///${path}`), `${scheme} ${path}`)
    t.true(isNodeUrl(`${scheme}:///a%20b%25`), scheme)
  }
})
