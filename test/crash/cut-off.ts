/**
 * Real drives on real nodes whose device is lost after one call to the node. Garbage is collected, and the phrase opens
 * the drive on another device.
 */
import { join } from 'node:path'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { programAside, TestDrive } from '../support/drive.js'
import { startFaultProxy, type FaultProxy } from '../kubo/fault-proxy.js'
import { startKubo, type KuboDaemon } from '../kubo/daemon.js'

/** Disables automatic publishing. */
const ON_DEMAND = { DAGDRIVE_DEBOUNCE_MS: '3600000' }
const PATIENCE_MS = 300_000

export interface Place {
  readonly kubo: KuboDaemon
  readonly proxy: FaultProxy
  close(): Promise<void>
}

/** A real Kubo behind a proxy that can cut the connection. */
export async function openPlace(): Promise<Place> {
  const kubo = await startKubo({ version: '0.43' })
  const proxy = await startFaultProxy(kubo.url)
  return {
    kubo,
    proxy,
    async close() {
      await proxy.close()
      await kubo.stop()
    },
  }
}

/** The result of one point: the problem, if any, and whether there was a call with that number. */
export interface Outcome {
  readonly problem: string | undefined
  readonly isCut: boolean
}

export const KINDS = ['publish', 'publish by a second device', 'node set', 'fast-forward'] as const
export type Kind = (typeof KINDS)[number]

/** @param at number of the call after which the device is lost, from 1 @param round varies the content */
export async function lose(kind: Kind, at: number, round: number, here: Place, there: Place): Promise<Outcome> {
  const point = new Point(round)
  try {
    if (kind === 'publish') return await point.publish(at, here)
    if (kind === 'publish by a second device') return await point.publishElsewhere(at, here)
    return kind === 'node set' ? await point.moveToNode(at, here, there) : await point.fastForward(at, here)
  } finally {
    point.end()
    for (const { proxy } of [here, there]) proxy.heal()
  }
}

class Point {
  readonly #folder = mkdtempSync(join(tmpdir(), 'dagdrive-cut-'))
  readonly #phrase = join(this.#folder, 'phrase')
  readonly #drives: TestDrive[] = []
  readonly #round: number

  constructor(round: number) {
    this.#round = round
  }

  async publish(at: number, { kubo, proxy }: Place): Promise<Outcome> {
    const device = await this.#firstDevice(proxy.url)
    await this.#write(device, 2)
    const { isDone, isCut } = await this.#loseDuring(device, ['sync'], proxy, at)
    await collectGarbage(kubo)
    return { problem: await this.#wrongAt(kubo.url, isDone ? [2] : [2, 1]), isCut }
  }

  async publishElsewhere(at: number, { kubo, proxy }: Place): Promise<Outcome> {
    const first = await this.#firstDevice(kubo.url)
    await first.must(['unmount'], PATIENCE_MS)
    const device = this.#drive()
    await device.up(['--node', proxy.url, '--phrase-file', this.#phrase])
    await this.#write(device, 2)
    const { isDone, isCut } = await this.#loseDuring(device, ['sync'], proxy, at)
    await collectGarbage(kubo)
    return { problem: await this.#wrongAt(kubo.url, isDone ? [2] : [2, 1]), isCut }
  }

  /** Afterwards the home is found again: the drive continues on the configured node, with all content. */
  async moveToNode(at: number, here: Place, there: Place): Promise<Outcome> {
    const device = await this.#firstDevice(here.proxy.url)
    await this.#write(device, 2)
    const { isDone, isCut } = await this.#loseDuring(device, ['node', 'set', there.proxy.url], there.proxy, at)
    for (const { kubo } of [here, there]) await collectGarbage(kubo)
    const lost = isDone
      ? await this.#wrongAt(there.kubo.url, [2])
      : ((await this.#wrongAt(here.kubo.url, [1])) ?? (await this.#wrongAt(there.kubo.url, ['none', 1, 2])))
    if (lost !== undefined) return { problem: lost, isCut }
    there.proxy.heal()
    await device.mount()
    const { code, stderr } = await device.run(['sync'], PATIENCE_MS)
    if (code !== 0) return { problem: `the home that was found again cannot publish: ${stderr}`, isCut }
    const { node } = await device.json<{ node: { where: string } }>(['status'])
    const at2 = node.where.includes(new URL(there.proxy.url).port) ? there : here
    return { problem: await this.#wrongAt(at2.kubo.url, [2]), isCut }
  }

  async fastForward(at: number, { kubo, proxy }: Place): Promise<Outcome> {
    const device = await this.#firstDevice(kubo.url)
    const second = this.#drive()
    await second.up(['--node', proxy.url, '--phrase-file', this.#phrase])
    await second.must(['unmount'], PATIENCE_MS)
    await this.#write(device, 2)
    await device.must(['sync'], PATIENCE_MS)
    const { isCut } = await this.#loseDuring(second, ['mount', second.mountpoint], proxy, at)
    await collectGarbage(kubo)
    return { problem: await this.#wrongAt(kubo.url, [2]), isCut }
  }

  end(): void {
    for (const drive of this.#drives) drive.destroy()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #drive(): TestDrive {
    const drive = new TestDrive({ environment: ON_DEMAND })
    this.#drives.push(drive)
    return drive
  }

  /** Creates a drive and publishes version 1. */
  async #firstDevice(node: string): Promise<TestDrive> {
    const drive = this.#drive()
    await drive.up(['--node', node, '--phrase-out', this.#phrase])
    await this.#write(drive, 1)
    await drive.must(['sync'], PATIENCE_MS)
    return drive
  }

  /** Makes the same changes on the mount and in a folder to compare with. */
  async #write(drive: TestDrive, version: number): Promise<void> {
    const folder = join(this.#folder, `version-${version}`)
    if (version === 1) mkdirSync(folder)
    else await programAside('cp', ['-a', join(this.#folder, `version-${version - 1}`), folder])
    const script = SCRIPTS[version - 1]!
    for (const top of [folder, drive.mountpoint]) {
      await programAside('sh', ['-ec', script, 'sh', String(this.#round)], top)
    }
    await programAside('sh', ['-ec', 'find . -type f -exec sync {} +'], drive.mountpoint)
  }

  /** Runs a command. Kills daemon and holder at the given call, or at its end if the call was not made. */
  async #loseDuring(
    device: TestDrive,
    command: readonly string[],
    proxy: FaultProxy,
    at: number,
  ): Promise<{ isDone: boolean; isCut: boolean }> {
    let isCut = false
    const cut = proxy.cutAfter(at).then(() => (isCut = true))
    const running = device.run(command, PATIENCE_MS)
    const code = await Promise.race([cut.then(() => -1), running.then((result) => result.code)])
    device.killAll()
    await running
    return { isDone: code === 0, isCut }
  }

  /** @param versions the phrase must open one of them completely */
  async #wrongAt(node: string, versions: readonly (number | 'none')[]): Promise<string | undefined> {
    const other = this.#drive()
    const { code, stderr } = await other.run(
      ['up', other.mountpoint, '--node', node, '--phrase-file', this.#phrase],
      PATIENCE_MS,
    )
    if (code !== 0) return versions.includes('none') && /NO_DRIVE|knows no drive/.test(stderr) ? undefined : stderr
    let difference = ''
    for (const version of versions.filter((one) => one !== 'none')) {
      const expected = join(this.#folder, `version-${version}`)
      const found = await programAside('diff', ['-r', '--no-dereference', expected, other.mountpoint]).catch(String)
      if (found === '') return undefined
      difference += `version ${version}: ${found.slice(0, 500)}\n`
    }
    return difference
  }
}

const SCRIPTS = [
  'mkdir -p d/e; seq $1 30000 > d/lines; seq $1 90000 > big; for i in $(seq 12); do echo "$1 $i" > d/e/$i; done; echo first > note; ln big twin',
  'seq $1 7 60000 > new; printf patch | dd of=big bs=1 seek=200000 conv=notrunc 2>/dev/null; rm d/lines; mv d/e d/f; echo $1 >> note',
]

async function collectGarbage({ url }: KuboDaemon): Promise<void> {
  const answer = await fetch(`${url}/api/v0/repo/gc`, { method: 'POST' })
  const text = await answer.text()
  if (!answer.ok || text.includes('"Error"')) throw new Error(`garbage was not collected: ${text.slice(0, 300)}`)
}
