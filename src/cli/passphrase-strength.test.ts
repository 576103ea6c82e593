import test from 'ava'
import { passphraseWarning } from './passphrase-strength.js'

test('a weak passphrase causes a warning that does not repeat it', (t) => {
  for (const weak of [
    'x',
    'correct horse',
    'aaaaaaaaaaaaaaaaaaaa',
    '1984-11-21 20:26',
    'My password 1234',
    'qwertyuiop asdf',
  ]) {
    const warning = passphraseWarning(weak)
    t.regex(warning ?? '', /^warning: /, weak)
    t.false(warning?.includes(weak) === true && weak.length > 1)
  }
})

test('a long passphrase of several words or random characters causes no warning', (t) => {
  for (const good of ['correct horse battery staple', 'vK9#mQ2xR7!pLw4z', 'öl kahn düne zwölf'])
    t.is(passphraseWarning(good), undefined, good)
})
