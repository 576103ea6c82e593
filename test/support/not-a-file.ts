/** Puts things in the place of a file or folder that a program must not follow, read, or wait for. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { ExecutionContext } from 'ava'

/** What is in the place. `link` names the file beside it that ends in `-target`, which need not exist. */
export type Obstacle = 'file' | 'link' | 'loop' | 'pipe' | 'socket' | 'directory'

export async function putObstacle(t: ExecutionContext, path: string, kind: Obstacle): Promise<void> {
  if (kind === 'file') writeFileSync(path, '')
  else if (kind === 'link') symlinkSync(`${path}-target`, path)
  else if (kind === 'loop') symlinkSync(path, path)
  else if (kind === 'pipe') execFileSync('mkfifo', ['-m', '600', path])
  else if (kind === 'directory') mkdirSync(path)
  else {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(path, resolve))
    t.teardown(() => server.close())
  }
}
