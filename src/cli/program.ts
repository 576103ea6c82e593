/** The command line: its commands and their options. A command is loaded only when it is called. */
// Commander's options are untyped; each command declares the type of its own.
/* eslint-disable @typescript-eslint/no-unsafe-argument */
import { Command, CommanderError, Option } from 'commander'
import { isDriveError, packageVersion, toWire, type WireError } from '../base/index.js'
import { EXIT_STATUS } from './exit-status.js'
import { failureText } from './report.js'
import { openSession, type Session } from './session.js'

/** The options of `init`, which `up` takes too. */
function withInitOptions(command: Command): Command {
  command.option('--node <url>', 'where to publish: http(s)://host:port, unix:///socket, file:///path, or "embedded"')
  return withKeyFile(command, '--node-key-file', '--key-file')
    .option('--phrase-file <file>', 'open the drive of this recovery phrase')
    .option('--new', 'with --phrase-file: make a new, empty drive with that phrase')
    .option('--replace-empty', 'with --phrase-file: set the drive of this home aside, if it is empty')
    .option('--phrase-out <file>', 'write the new recovery phrase here, 0600, instead of showing it')
    .option('--passphrase-file <file>', 'seal the key file with this passphrase')
    .option('--device-name <name>', 'how this device is called in the history')
}

function withMountOptions(command: Command): Command {
  return command
    .option('--read-only', 'refuse every change')
    .option('--allow-other', 'allow access to other users, as file modes permit')
    .option('--foreground', 'stay in the foreground until unmounted')
}

/** Both names are accepted; help shows one. The value is that of the shown one. */
function withKeyFile(command: Command, shown: string, alias: string): Command {
  const what = 'credential of the node (bearer:… or basic:…)'
  const [option, hidden] = [shown, alias].map((name) => new Option(`${name} <file>`, what)) as [Option, Option]
  return command
    .addOption(option)
    .addOption(hidden.hideHelp().conflicts(option.attributeName()))
    .hook('preAction', () => {
      const given: unknown = command.getOptionValue(hidden.attributeName())
      if (given !== undefined) command.setOptionValue(option.attributeName(), given)
    })
}

const json = ['--json', 'print JSON'] as const
const passphrase = ['--passphrase-file <file>', 'passphrase of a sealed key file'] as const

/** The whole command line; `session` receives the exit status. `quiet`: argument errors are thrown but not printed. */
export function buildProgram(session: Session, quiet = false): Command {
  const program = new Command('dagdrive')
    .description('A personal, end-to-end encrypted drive on IPFS.')
    .version(packageVersion())
    .showHelpAfterError('(see: dagdrive help)')
    .exitOverride()
  // commander's error messages repeat the argument.
  const writeErr = (text: string): void => (quiet ? undefined : session.terminal.note(text.replace(/\n$/, '')))
  program.configureOutput({ writeErr, writeOut: (text) => session.terminal.print(text.replace(/\n$/, '')) })
  const add = (parent: Command, usage: string, description: string): Command =>
    parent.command(usage).description(description)

  withInitOptions(add(program, 'init', 'make a drive, or open a published one from its recovery phrase'))
    .option(...json)
    .action(async (options) => (await import('./commands/init.js')).init(session, options))
  withMountOptions(withInitOptions(add(program, 'up <directory>', 'make a drive if there is none, and mount it')))
    .option('--adopt', 'move the files that are in the directory into the drive')
    .option(...json)
    .action(async (directory, options) => (await import('./commands/mount.js')).up(session, directory, options))
  withMountOptions(add(program, 'mount <directory>', 'mount the drive; returns when the mount answers'))
    .option(...passphrase)
    .option(...json)
    .action(async (directory, options) => (await import('./commands/mount.js')).mount(session, directory, options))
  add(program, 'unmount [directory]', 'upload what is left, then unmount; without a directory: every mount')
    .option('--now', 'unmount without uploading, and report the data that is only on this machine')
    .option('--force', 'end the mount at once: open files fail, and data not yet synced may be lost')
    .option(...passphrase)
    .option(...json)
    .action(async (directory, options) => (await import('./commands/unmount.js')).unmount(session, directory, options))
  add(program, 'status', 'show how safe the data is, where copies are, and any problems')
    .option(...json)
    .action(async (options) => (await import('./commands/status.js')).status(session, options))
  add(program, 'queue', 'show the data that still has to be uploaded')
    .option(...json)
    .action(async (options) => (await import('./commands/status.js')).queue(session, options))
  add(program, 'sync', 'upload now; returns when everything is published')
    .option(...passphrase)
    .option(...json)
    .action(async (options) => (await import('./commands/sync.js')).syncCommand(session, options))
  add(program, 'fsck', 'check the tree and every block on this machine; with --node also on the node')
    .option('--node', 'read every block, pin and name from the node')
    .option('--repair', 'repair damage that has a good copy')
    .option(...passphrase)
    .option(...json)
    .action(async (options) => (await import('./commands/fsck.js')).fsck(session, options))
  add(program, 'doctor', 'check this machine; works without the daemon')
    .option(...json)
    .action(async (options) => (await import('./commands/doctor.js')).doctor(session, options))

  const key = add(program, 'key', 'the recovery phrase')
  add(key, 'show', 'show the recovery phrase')
    .option(...passphrase)
    .option('--phrase-out <file>', 'write it here, 0600, instead of showing it')
    .option(...json)
    .action(async (options) => (await import('./commands/key.js')).keyShow(session, options))
  add(key, 'verify', 'compare a recovery phrase with this drive')
    .option('--phrase-file <file>', 'read the phrase from here instead of asking')
    .option(...passphrase)
    .option(...json)
    .action(async (options) => (await import('./commands/key.js')).keyVerify(session, options))

  const node = add(program, 'node', 'the node that published versions go to')
  withKeyFile(add(node, 'set <url>', 'publish to another node from now on'), '--key-file', '--node-key-file')
    .option(...passphrase)
    .option(...json)
    .action(async (url, options) => (await import('./commands/node.js')).nodeSet(session, url, options))
  add(node, 'forget', 'remove the embedded store that `node set` left, if nothing in it is needed')
    .option(...passphrase)
    .option(...json)
    .action(async (options) => (await import('./commands/node.js')).nodeForget(session, options))
  withKeyFile(add(node, 'test [url]', 'check that the node answers and grants access'), '--key-file', '--node-key-file')
    .option(...json)
    .action(async (url, options) => (await import('./commands/node.js')).nodeTest(session, url, options))

  const daemon = add(program, 'daemon', 'the background process; other commands start it when they need it')
  add(daemon, 'run', 'run it in the foreground, for service managers').action(async () =>
    (await import('./commands/daemon.js')).daemonRun(session),
  )
  add(daemon, 'stop', 'unmount without uploading, and end the daemon; data that is not uploaded stays staged')
    .option(...json)
    .action(async (options) => (await import('./commands/daemon.js')).daemonStop(session, options))
  return program
}

/** Runs one command line and resolves to its exit status. */
export async function runCommandLine(args: readonly string[], session: Session = openSession()): Promise<number> {
  const wantsJson = args.includes('--json')
  const tell = (error: WireError): void =>
    wantsJson ? session.terminal.noteJson({ error }) : session.terminal.note(`dagdrive: ${failureText(error)}`)
  try {
    await buildProgram(session, wantsJson).parseAsync(args, { from: 'user' })
    return session.status
  } catch (error) {
    session.terminal.endProgress()
    if (error instanceof CommanderError) {
      // Help and version are not failures.
      if (error.exitCode === 0) return 0
      // commander has already printed its own message.
      if (wantsJson) tell({ code: 'USAGE', message: usageMessage(error), about: {} })
      return EXIT_STATUS.USAGE
    }
    const wire = toWire(error)
    tell(wire)
    if (!isDriveError(error) && process.env['DAGDRIVE_DEBUG'] !== undefined)
      session.terminal.note(String((error as Error).stack))
    return EXIT_STATUS[wire.code]
  }
}

/** Shortens commander's message of several lines to one sentence. */
function usageMessage(error: CommanderError): string {
  if (error.code === 'commander.help') return 'A command is missing.'
  return error.message.replace(/^error: /, '').replaceAll('\n', ' ')
}
