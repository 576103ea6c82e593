/**
 * Finds the exported names of src that the product uses. It reads only the syntax and checks no types, so it takes a
 * second.
 */
import { posix } from 'node:path'
import ts from 'typescript'
import type { SourceFile } from './sources.js'

/** The names that a file exports and imports. */
interface FileNames {
  /** Names it declares itself. */
  readonly declared: Set<string>
  /** Declared names that are types and are used elsewhere in the file. They count as part of those declarations. */
  readonly ownTypes: Set<string>
  /** Re-exported names: the name here, the file it is from, and its name there. */
  readonly passedOn: Map<string, { readonly file: string; readonly name: string }>
  /** Files that it re-exports completely. */
  readonly wholes: string[]
  /** Imported names; `*` for all of a file. */
  readonly taken: { readonly file: string; readonly name: string }[]
}

/**
 * Exported names that no file of `users` other than their own imports, each as `path name`. A type that its own file
 * uses counts as used.
 * @param files the files whose exports are checked
 */
export function unusedExports(files: readonly SourceFile[], users: readonly SourceFile[] = files): string[] {
  const names = new Map([...files, ...users].map((file) => [file.path, namesOf(file)] as const))
  const used = new Set<string>()
  const use = (file: string, name: string): void => {
    const key = `${file} ${name}`
    const found = names.get(file)
    if (used.has(key) || found === undefined) return
    used.add(key)
    if (name === '*') for (const each of [...found.declared, ...found.passedOn.keys()]) use(file, each)
    const from = found.passedOn.get(name)
    if (from !== undefined) use(from.file, from.name)
    else if (!found.declared.has(name)) for (const whole of found.wholes) use(whole, name)
  }
  const isOwnType = (path: string, name: string): boolean => {
    const from = names.get(path)?.passedOn.get(name)
    return from === undefined ? names.get(path)?.ownTypes.has(name) === true : isOwnType(from.file, from.name)
  }
  for (const { path } of users) for (const { file, name } of names.get(path)!.taken) use(file, name)
  return files.flatMap(({ path }) => {
    const { declared, passedOn } = names.get(path)!
    return [...declared, ...passedOn.keys()]
      .filter((name) => !used.has(`${path} ${name}`) && !isOwnType(path, name))
      .map((name) => `${path} ${name}`)
  })
}

function namesOf({ path, text }: SourceFile): FileNames {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  const found: FileNames = { declared: new Set(), ownTypes: new Set(), passedOn: new Map(), wholes: [], taken: [] }
  const imported = new Map<string, { file: string; name: string }>()
  for (const statement of source.statements) {
    if (ts.isImportDeclaration(statement)) noteImport(statement, path, imported)
    else if (ts.isExportDeclaration(statement)) noteExport(statement, path, found, imported)
    else if (isExported(statement)) {
      for (const name of declaredNames(statement)) {
        found.declared.add(name)
        if (isType(statement) && text.match(new RegExp(`\\b${name}\\b`, 'g'))!.length > 1) found.ownTypes.add(name)
      }
    }
  }
  found.taken.push(...imported.values())
  const visit = (node: ts.Node): void => {
    const target = importedLater(node)
    if (target !== undefined) {
      for (const name of namesTakenFrom(node)) found.taken.push({ file: resolve(path, target), name })
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

function noteImport(statement: ts.ImportDeclaration, path: string, imported: FileNames['passedOn']): void {
  const file = resolve(path, textOf(statement.moduleSpecifier))
  const bindings = statement.importClause?.namedBindings
  if (bindings === undefined) return
  if (ts.isNamespaceImport(bindings)) imported.set(bindings.name.text, { file, name: '*' })
  else {
    for (const { name, propertyName } of bindings.elements) {
      imported.set(name.text, { file, name: (propertyName ?? name).text })
    }
  }
}

function noteExport(
  { moduleSpecifier, exportClause }: ts.ExportDeclaration,
  path: string,
  found: FileNames,
  imported: ReadonlyMap<string, { file: string; name: string }>,
): void {
  const file = moduleSpecifier && resolve(path, textOf(moduleSpecifier))
  if (exportClause === undefined) found.wholes.push(file!)
  else if (ts.isNamedExports(exportClause)) {
    for (const { name, propertyName } of exportClause.elements) {
      const own = (propertyName ?? name).text
      const from = file === undefined ? imported.get(own) : { file, name: own }
      if (from === undefined) found.declared.add(name.text)
      else found.passedOn.set(name.text, from)
    }
  }
}

function isExported(statement: ts.Statement): boolean {
  if (!ts.canHaveModifiers(statement)) return false
  const kinds = ts.getModifiers(statement)?.map(({ kind }) => kind) ?? []
  // A default export is the entry of a thread or program.
  return kinds.includes(ts.SyntaxKind.ExportKeyword) && !kinds.includes(ts.SyntaxKind.DefaultKeyword)
}

function isType(statement: ts.Statement): boolean {
  return ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement)
}

function declaredNames(statement: ts.Statement): string[] {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.flatMap(({ name }) => (ts.isIdentifier(name) ? [name.text] : []))
  }
  const { name } = statement as ts.Statement & { name?: ts.Node }
  return name !== undefined && ts.isIdentifier(name) ? [name.text] : []
}

/** The file of `import('./file.js')`, as a call or as a type. */
function importedLater(node: ts.Node): string | undefined {
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    return node.arguments[0] && textOf(node.arguments[0])
  }
  return ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument) ? textOf(node.argument.literal) : undefined
}

/** Names taken directly from a dynamic import; `*` if that is not obvious from the syntax. */
function namesTakenFrom(node: ts.Node): string[] {
  if (ts.isImportTypeNode(node)) return [node.qualifier?.getText().split('.')[0] ?? '*']
  if (!ts.isAwaitExpression(node.parent)) return ['*']
  const around = ts.isParenthesizedExpression(node.parent.parent) ? node.parent.parent.parent : node.parent.parent
  if (ts.isPropertyAccessExpression(around)) return [around.name.text]
  if (!ts.isVariableDeclaration(around) || !ts.isObjectBindingPattern(around.name)) return ['*']
  return around.name.elements.map(({ name, propertyName }) => (propertyName ?? name).getText())
}

function textOf(node: ts.Node): string {
  return ts.isStringLiteralLike(node) ? node.text : ''
}

function resolve(path: string, target: string): string {
  return target.startsWith('.') ? posix.join(posix.dirname(path), target).replace(/\.js$/, '.ts') : target
}
