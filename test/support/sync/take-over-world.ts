/** A world that is closed after its test. */
import { type ExecutionContext } from 'ava'
import { World } from './world.js'

let seed = 900

export async function world(t: ExecutionContext): Promise<World> {
  t.log(`seed ${seed}`)
  const opened = await World.open(seed++)
  t.teardown(() => opened.close())
  return opened
}

export function same(a: Record<string, string>, b: Record<string, string>): boolean {
  return JSON.stringify(Object.entries(a).sort()) === JSON.stringify(Object.entries(b).sort())
}
