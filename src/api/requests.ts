/** The fields of every request of the control socket, with their types: one line for each operation. */
import type { FieldRule } from './check-request.js'
import type { OperationName, Operations } from './wire.js'

const TEXT = { kind: 'text' } as const
const PATH = { kind: 'path' } as const
const FLAG = { kind: 'flag' } as const
const COUNT = { kind: 'count' } as const
const required = <Rule extends FieldRule>(rule: Rule): Rule & { readonly isRequired: true } => ({
  ...rule,
  isRequired: true,
})

/** The rule for a field's type. If the type changes, it does not compile. */
type RuleOf<Value> = {
  readonly kind: Value extends boolean ? 'flag' : Value extends number ? 'count' : 'text' | 'path'
}
type RulesOf<Given> = {
  readonly [Field in keyof Given]-?: RuleOf<Exclude<Given[Field], undefined>> &
    (undefined extends Given[Field] ? { readonly isRequired?: never } : { readonly isRequired: true })
}

export const CONTROL_REQUESTS: { readonly [Name in OperationName]: RulesOf<Operations[Name]['given']> } = {
  status: {},
  init: {
    nodeUrl: TEXT,
    nodeKey: TEXT,
    phrase: TEXT,
    isNew: FLAG,
    replaceEmpty: FLAG,
    passphrase: TEXT,
    deviceName: TEXT,
    mountAt: TEXT,
    adopt: FLAG,
  },
  unlock: { passphrase: required(TEXT) },
  mount: { directory: required(PATH), readOnly: FLAG, allowOther: FLAG, adopt: FLAG },
  adoptFiles: { directory: required(PATH) },
  unmount: { directory: PATH, now: FLAG, force: FLAG },
  waitUnmounted: { directory: required(PATH) },
  sync: {},
  fsck: { repair: FLAG, node: FLAG },
  keyShow: { passphrase: TEXT },
  keyVerify: { phrase: required(TEXT) },
  nodeSet: { url: required(TEXT), key: TEXT },
  nodeKeyVerify: { url: required(TEXT), key: required(TEXT) },
  nodeForget: {},
  nodeTest: { url: TEXT, key: TEXT },
  stop: {},
}

export const OPERATION_NAMES = Object.keys(CONTROL_REQUESTS) as readonly OperationName[]

/** Identifies a file by one of these. */
export interface PlaceRequest {
  readonly path?: string
  readonly id?: string
}

interface Author {
  readonly origin?: string
}

/** The operations on files, each with its request. */
export interface FilesRequests {
  stat: PlaceRequest
  list: PlaceRequest & { readonly limit?: number; readonly cursor?: string }
  makeDirectory: Author & { readonly path: string; readonly parents?: boolean }
  rename: Author & PlaceRequest & { readonly to: string; readonly replace?: boolean }
  remove: Author & PlaceRequest & { readonly recursive?: boolean }
  events: { readonly from?: number; readonly limit?: number; readonly waitMs?: number }
}

const PLACE = { path: TEXT, id: TEXT }

export const FILES_REQUESTS: { readonly [Name in keyof FilesRequests]: RulesOf<FilesRequests[Name]> } = {
  stat: PLACE,
  list: { ...PLACE, limit: COUNT, cursor: TEXT },
  makeDirectory: { path: required(TEXT), parents: FLAG, origin: TEXT },
  rename: { ...PLACE, to: required(TEXT), replace: FLAG, origin: TEXT },
  remove: { ...PLACE, recursive: FLAG, origin: TEXT },
  events: { from: COUNT, limit: COUNT, waitMs: COUNT },
}
