import test from 'ava'
import { calledAs, withCommand } from './called-as.js'

test('hints name the command as it was called: installed, through npx, or the file itself', (t) => {
  t.is(calledAs('/usr/local/bin/dagdrive', {}), 'dagdrive')
  t.is(calledAs('/usr/local/bin/dagdrive', { PATH: '/bin:/usr/local/bin' }), 'dagdrive')
  t.is(calledAs('/a b/bin/dagdrive', { PATH: '/bin' }), "'/a b/bin/dagdrive'")
  t.is(calledAs('/project/dist/src/cli/main.js', { npm_command: 'exec' }), 'npx dagdrive')
  t.is(calledAs(`${process.cwd()}/dist/src/cli/main.js`, {}), 'node dist/src/cli/main.js')
  t.is(calledAs('/a b/main.js', {}), "node '/a b/main.js'")
})

test('only commands in a message are replaced', (t) => {
  const text =
    'Run "dagdrive node set URL". dagdrive keeps "dagdrive" and "dagdrive-x". Or "DAGDRIVE_HOME=H dagdrive up DIR".'
  t.is(
    withCommand(text, 'npx dagdrive'),
    'Run "npx dagdrive node set URL". dagdrive keeps "dagdrive" and "dagdrive-x". Or "DAGDRIVE_HOME=H npx dagdrive up DIR".',
  )
})
