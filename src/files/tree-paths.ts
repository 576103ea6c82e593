/** Resolves paths to inodes. Names are UTF-8 text, the root is the empty path, symbolic links are not followed. */
import { DriveError, nameFromText, type PlainName } from '../base/index.js'
import { ROOT_INO, type Caller, type NamePlace, type Tree } from '../vfs/index.js'

const MOST_NAME_BYTES = 255
/** Replaces bytes that are not UTF-8 in text. */
const REPLACEMENT = '\ufffd'

/** The names of a path. INVALID for `.`, `..`, NUL and replacement characters; NAME_TOO_LONG. */
export function namesOf(path: string): PlainName[] {
  return path
    .split('/')
    .filter((part) => part !== '')
    .map(checkedName)
}

function checkedName(text: string): PlainName {
  const name = nameFromText(text)
  if (name.length > MOST_NAME_BYTES) throw new DriveError('NAME_TOO_LONG', 'The name is longer than 255 bytes.')
  if (name.length === 0 || text === '.' || text === '..' || /[\0/\p{Cs}]/u.test(text) || text.includes(REPLACEMENT)) {
    throw new DriveError('INVALID', 'The path has a name that is not allowed in a path.')
  }
  return name
}

/** The inode at `path`. NOT_FOUND; NOT_A_DIRECTORY. */
export async function findPath(tree: Tree, path: string, caller: Caller): Promise<number> {
  return descend(tree, namesOf(path), caller)
}

/** The parent directory of `path`, and its last name. INVALID for the root. */
export async function findPlace(tree: Tree, path: string, caller: Caller): Promise<NamePlace> {
  const names = namesOf(path)
  const name = names.pop()
  if (name === undefined)
    throw new DriveError('INVALID', 'The root of the drive cannot be created, renamed or removed.')
  return { parent: await descend(tree, names, caller), name }
}

async function descend(tree: Tree, names: readonly PlainName[], caller: Caller): Promise<number> {
  let ino = ROOT_INO
  for (const name of names) {
    const child = await tree.lookup(ino, name, caller)
    if (child === undefined) throw new DriveError('NOT_FOUND', 'There is no file at that path.')
    ino = child.ino
  }
  return ino
}
