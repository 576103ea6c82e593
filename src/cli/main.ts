#!/usr/bin/env node
/** The executable: one command line, its exit status. */
import { runCommandLine } from './program.js'

process.exitCode = await runCommandLine(process.argv.slice(2))
