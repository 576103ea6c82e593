/** The cached names of one directory. */
import type { PlainName } from '../../base/index.js'
import type { DentryRecord } from '../../tree-state/index.js'

export class Directory {
  /** In cookie order when `complete`. */
  readonly entries = new Map<PlainName, DentryRecord>()
  complete: boolean
  lookups = 0
  tooLarge = false

  constructor(complete: boolean) {
    this.complete = complete
  }
}
