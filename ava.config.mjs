import { longestFirst } from './test/run/longest-first.mjs'

export default {
  files: ['dist/**/*.test.js'],
  timeout: '3m',
  concurrency: 2,
  require: ['./test/run/mark-file.mjs'],
  workerThreads: false,
  sortTestFiles: longestFirst,
}
