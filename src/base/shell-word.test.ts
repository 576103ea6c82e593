import { execFileSync } from 'node:child_process'
import test from 'ava'
import { shellWord } from './index.js'

test('S-189 a word of an offered line is one word for a shell, whatever it holds, and plain where it can be', (t) => {
  const words = ['', 'My Drive', "it's", '$HOME', '`id`', '~/x', 'a"b', '*', '--node']
  const said = execFileSync('sh', ['-c', `printf '%s\\n' ${words.map(shellWord).join(' ')}`], { encoding: 'utf8' })
  t.is(said, words.map((word) => `${word}\n`).join(''))
  t.is(shellWord('https://home-server:5001/a_b'), 'https://home-server:5001/a_b')
})
