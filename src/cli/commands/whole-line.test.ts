import test from 'ava'
import { DriveError } from '../../base/index.js'
import { lineBeside, wholeLine, withAdopt, type LineOptions } from './whole-line.js'

const NOT_EMPTY = new DriveError('NOT_EMPTY', '/d is not empty.')
const textOf = (error: unknown): string => (error as DriveError).message
const SECOND: LineOptions = { node: 'http://h:5001', nodeKeyFile: 'key.txt', phraseFile: 'my phrase' }

test('S-189 the line that moves files into the drive has every option that was given', (t) => {
  const typed = { ...SECOND, passphraseFile: 'p', deviceName: "o'n", allowOther: true, foreground: true, json: true }
  const line =
    "dagdrive up --adopt '/my dir' --node http://h:5001 --node-key-file key.txt --phrase-file 'my phrase' " +
    "--passphrase-file p --device-name 'o'\\''n' --allow-other --foreground --json"
  t.is(
    textOf(withAdopt(NOT_EMPTY, '/my dir', typed)),
    `/d is not empty. To move it into the drive: "${line}".`, //
  )
  t.notRegex(textOf(withAdopt(NOT_EMPTY, '/d', { readOnly: true })), /up --adopt/)
  const other = new DriveError('BUSY', 'It is busy.')
  t.is(withAdopt(other, '/d', SECOND), other)
  t.is(withAdopt(NOT_EMPTY, '/d', { adopt: true }), NOT_EMPTY)
})

test('S-189 lines for init, and for another home', (t) => {
  t.is(
    wholeLine(undefined, { node: 'URL', phraseFile: '-', new: true }),
    'dagdrive init --node URL --phrase-file - --new',
  )
  t.regex(
    lineBeside('/d', { ...SECOND, replaceEmpty: true }),
    /"DAGDRIVE_HOME=HOME dagdrive up \/d --node http:\/\/h:5001 --node-key-file key\.txt --phrase-file 'my phrase'"\.$/,
  )
})
