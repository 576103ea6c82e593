/** Realistic content: a source tree, a repository with history, a database, a big file, unusual metadata. */
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { program, programAside } from './drive.js'
import { projectRoot } from './sources.js'

const SOURCE_FILES = 5_000
const GIT_IDENTITY = {
  GIT_AUTHOR_NAME: 'T',
  GIT_AUTHOR_EMAIL: 't@example.org',
  GIT_COMMITTER_NAME: 'T',
  GIT_COMMITTER_EMAIL: 't@example.org',
}

/**
 * Makes a tar of at least 5,000 files of installed packages.
 * @returns the number of files
 */
export function makeSourceTar(target: string): number {
  const modules = join(projectRoot, 'node_modules')
  const chosen: string[] = []
  let count = 0
  for (const name of readdirSync(modules).sort()) {
    if (count >= SOURCE_FILES) break
    if (name.startsWith('.')) continue
    chosen.push(name)
    count += Number(program('sh', ['-c', `find ./"$1" -type f | wc -l`, 'sh', name], { cwd: realModules(modules) }))
  }
  program('tar', ['cf', target, '-C', realModules(modules), ...chosen])
  return count
}

/** A repository with 150 commits, branches, a tag and a pack. */
export function makeRepository(target: string): void {
  mkdirSync(target)
  const script = `
    set -e
    git init -q -b main .
    for i in $(seq 1 150); do
      mkdir -p d$((i % 7)); seq $i $((i * 20)) > d$((i % 7))/f$((i % 31)); echo "change $i" >> log
      git add -A; git commit -qm "change $i"
      if [ $((i % 50)) = 0 ]; then git branch b$i; git tag t$i; fi
    done
    git gc -q`
  program('sh', ['-c', script], { cwd: target, env: { ...process.env, ...GIT_IDENTITY } })
}

/** A database in WAL mode with 20,000 rows, updated and checked; the connection is closed cleanly. */
export function makeDatabase(path: string): void {
  const sql = `
    PRAGMA journal_mode=WAL;
    CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b BLOB);
    CREATE INDEX ta ON t(a);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
      INSERT INTO t SELECT i, 'row ' || (i * 7919 % 20011), randomblob(100) FROM n;
    UPDATE t SET b = randomblob(200) WHERE id % 3 = 0;
    DELETE FROM t WHERE id % 11 = 0;
    PRAGMA wal_checkpoint(PASSIVE);
    UPDATE t SET a = a || '!' WHERE id % 5 = 0;`
  program('sqlite3', [path], { input: sql })
}

export function checkDatabase(path: string): string {
  return program('sqlite3', [path], {
    input: 'PRAGMA integrity_check; SELECT count(*), sum(length(b)), sum(id) FROM t;',
  })
}

/** `sizeBytes` incompressible bytes without repetition, the same for the same pass phrase. */
export function makeBigFile(path: string, sizeBytes: number, pass: string): void {
  const cipher = `openssl enc -aes-256-ctr -nosalt -pbkdf2 -iter 1 -pass pass:${pass} -in /dev/zero 2>/dev/null`
  program('sh', ['-c', `${cipher} | head -c ${sizeBytes} > "$1"`, 'sh', path], { timeoutMs: 300_000 })
}

/** Symbolic and hard links, extended attributes, times with nanoseconds, modes, sparse files and odd names. */
export function makeOddities(top: string): void {
  const script = `
    set -e
    mkdir odd; cd odd
    echo shared > one; ln one two; mkdir deep; ln one deep/three
    ln -s one link; ln -s /nowhere/at/all dangling; ln -s . self
    head -c 300000 /dev/urandom > big; ln big big2
    truncate -s 20M sparse; printf island | dd of=sparse bs=1 seek=9000000 conv=notrunc 2>/dev/null
    mkfifo fifo; : > empty; mkdir empty-directory
    echo x > "$(printf 'bad\\377\\376name')"; echo y > "new
line"; echo z > ' leading and trailing '
    setfattr -n user.note -v 'hello' one; setfattr -n user.bin -v 0x00ff10 deep; setfattr -h -n user.big -v "$(head -c 1500 /dev/zero | tr '\\0' v)" big
    chmod 4711 one; chmod 0 empty; chmod 1777 deep; chown 1234:4321 link big -h
    touch -d '1969-07-20 20:17:40.123456789 UTC' empty; touch -h -d '2031-01-01 00:00:00.000000001 UTC' link
    touch -d '2001-09-09 01:46:40.987654321 UTC' deep`
  program('sh', ['-c', script], { cwd: top })
}

/**
 * Everything that `diff -r` does not compare: types, modes, owners, link counts, mtimes with ns, link targets,
 * attributes, hashes.
 */
export function listing(top: string): string {
  return program('sh', ['-c', LISTING], { cwd: top, timeoutMs: 600_000 })
}

/** The same without blocking this process. */
export function listingAside(top: string): Promise<string> {
  return programAside('sh', ['-c', LISTING], top)
}

const LISTING = `
  find . -mindepth 1 -printf '%y %m %U %G %T@ %s %p %l\\0' | sed -z 's/^\\(d [^ ]* [^ ]* [^ ]* [^ ]*\\) [^ ]*/\\1 -/' | sort -z | tr '\\0' '\\n'
  find . -type f -links +1 -printf '%n %p\\0' | sort -z | tr '\\0' '\\n'
  find . -type f -print0 | sort -z | xargs -0 sha256sum -z | tr '\\0' '\\n'
  find . -mindepth 1 -print0 | sort -z | xargs -0 getfattr -h -d -m '^user\\.' --absolute-names -e hex 2>/dev/null || true`

/** Groups of names that share an inode. */
export function hardLinks(top: string): string {
  const lines = program('sh', ['-c', `find . -type f -links +1 -printf '%i %p\\n' | sort`], { cwd: top })
    .trim()
    .split('\n')
  const groups = new Map<string, string[]>()
  for (const line of lines) {
    const [inode = '', ...name] = line.split(' ')
    groups.set(inode, [...(groups.get(inode) ?? []), name.join(' ')])
  }
  return [...groups.values()]
    .map((names) => names.sort().join(' = '))
    .sort()
    .join('\n')
}

function realModules(path: string): string {
  return program('realpath', [path]).trim()
}
