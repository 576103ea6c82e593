/** One line that describes how far a check of the drive is. */
import type { Operations } from '../api/index.js'

/** For `Terminal.status`. */
export function checkProgressLine({ phase, done, total }: Operations['nodeForget']['progress']): string {
  const what = {
    here: 'checking this machine',
    node: 'checking the node',
    repair: 'uploading again',
    tree: 'reading the published tree',
  }[phase]
  const amount = total > 0 ? `${done.toLocaleString('en')} of ${total.toLocaleString('en')}` : done.toLocaleString('en')
  return `${what} · ${amount} ${phase === 'tree' ? 'entries' : 'blocks'}`
}
