#!/usr/bin/env node
/** The executable: one command line, its exit status. */
import { run } from './program.js'

process.exitCode = await run(process.argv.slice(2))
