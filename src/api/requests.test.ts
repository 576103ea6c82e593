import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { request, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { silentLog } from '../base/index.js'
import type { FieldKind, FieldRule } from './check-request.js'
import { CONTROL_REQUESTS, FILES_REQUESTS } from './requests.js'
import { OPERATION_NAMES, serveControl, type ControlService } from './index.js'

type Body = Record<string, unknown>

/** For each kind: a valid value, and invalid ones. */
const VALUES: Readonly<Record<FieldKind, { readonly right: unknown; readonly wrong: readonly unknown[] }>> = {
  text: { right: 'text', wrong: [1, true, null, [], {}, ['text'], 'a\0b', '\ud800', 'x'.repeat(65 * 1024)] },
  path: { right: '/a', wrong: ['a', '', './a', 1, null, ['/a'], '/a\0b', '/'.repeat(65 * 1024)] },
  flag: { right: true, wrong: ['true', '', 1, 0, null, [], {}] },
  count: { right: 1, wrong: ['1', -1, 1.5, 2 ** 60, null, [1], true] },
}

interface World {
  /** Operations that were executed. */
  readonly done: string[]
  readonly send: (path: string, body: string) => Promise<{ status: number; code: string; message: string }>
}

async function open(t: ExecutionContext): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), 'dagdrive-api-'))
  const done: string[] = []
  const note = (name: string) => (): Promise<object> => (done.push(name), Promise.resolve({}))
  const service = Object.fromEntries(OPERATION_NAMES.map((name) => [name, note(name)])) as unknown as ControlService
  const files = Object.fromEntries(Object.keys(FILES_REQUESTS).map((name) => [name, note(name)])) as never
  const path = join(directory, 'control.sock')
  const server = await serveControl({ path, service, files: () => Promise.resolve(files), log: silentLog })
  t.teardown(async () => {
    await server.close(100)
    await rm(directory, { recursive: true })
  })
  return {
    done,
    async send(operation, body) {
      const call = request({ socketPath: path, method: 'POST', path: `/v1/${operation}`, agent: false })
      call.on('error', () => undefined) // the server may answer before it has read everything
      call.end(body)
      const [response] = (await once(call, 'response')) as [IncomingMessage]
      let text = ''
      for await (const part of response.setEncoding('utf8') as AsyncIterable<string>) text += part
      const { error } = JSON.parse(text) as { error?: { code: string; message: string } }
      return { status: response.statusCode ?? 0, code: error?.code ?? 'ok', message: error?.message ?? '' }
    },
  }
}

const OPERATIONS: readonly (readonly [string, string, Readonly<Record<string, FieldRule>>])[] = [
  ...Object.entries(CONTROL_REQUESTS).map(([name, rules]) => [name, name, rules] as const),
  ...Object.entries(FILES_REQUESTS).map(([name, rules]) => [name, `files/${name}`, rules] as const),
]

for (const [name, path, rules] of OPERATIONS) {
  test(`S-095 ${path} accepts exactly its fields, with their types`, async (t) => {
    const { done, send } = await open(t)
    const right: Body = Object.fromEntries(
      Object.entries(rules).map(([field, { kind }]) => [field, VALUES[kind].right]),
    )
    t.is((await send(path, JSON.stringify(right))).code, 'ok')
    t.deepEqual(done.splice(0), [name])
    const refused = async (body: string, field: string): Promise<void> => {
      const { status, code, message } = await send(path, body)
      const what = `${body.slice(0, 60)}: ${message}`
      t.deepEqual([status, code], [400, 'INVALID'], what)
      t.true(message.includes(field), what)
      t.true(message.length < 100, 'it repeats no value')
    }
    for (const [field, { kind, isRequired }] of Object.entries(rules)) {
      for (const wrong of VALUES[kind].wrong) await refused(JSON.stringify({ ...right, [field]: wrong }), field)
      const { [field]: _left, ...rest } = right
      if (isRequired === true) await refused(JSON.stringify(rest), field)
    }
    for (const field of ['other', 'toString', 'constructor'])
      await refused(JSON.stringify({ ...right, [field]: 1 }), field)
    await refused(`{"__proto__": {}}`, '__proto__')
    await refused(`{"${'x'.repeat(2000)}": 1}`, 'xxx')
    for (const body of ['[]', 'null', '1', '"text"', '{', `{"a":"${'x'.repeat(1024 * 1024)}"}`])
      await refused(body, 'request')
    t.deepEqual(done, [], 'no operation was executed')
  })
}
