/**
 * Structured log lines on standard error or into a file; the only home of `console`-like output in the daemon.
 * Fields never hold keys, plaintext names or file contents.
 */
import { jsonLine, printable } from './printable.js'

export type LogLevel = 'error' | 'warn' | 'info' | 'debug'
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>

export interface Log {
  error(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  debug(message: string, fields?: LogFields): void
}

const ORDER: readonly LogLevel[] = ['error', 'warn', 'info', 'debug']

/** @param write receives one line without its newline @param level the least important level that is written */
export function createLog(write: (line: string) => void, level: LogLevel, now: () => number): Log {
  const enabled = (at: LogLevel): boolean => ORDER.indexOf(at) <= ORDER.indexOf(level)
  const line = (at: LogLevel, message: string, fields: LogFields = {}): void => {
    if (!enabled(at)) return
    const rest = Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => ` ${key}=${typeof value === 'string' ? jsonLine(value) : String(value)}`)
      .join('')
    write(`${new Date(now()).toISOString()} ${at} ${printable(message)}${rest}`)
  }
  return {
    error: (message, fields) => line('error', message, fields),
    warn: (message, fields) => line('warn', message, fields),
    info: (message, fields) => line('info', message, fields),
    debug: (message, fields) => line('debug', message, fields),
  }
}

export const silentLog: Log = { error() {}, warn() {}, info() {}, debug() {} }
