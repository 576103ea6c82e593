/**
 * Collects the damaged blocks of one file into one finding for each kind and outcome. They are reported when the next
 * file begins.
 */
import { hex } from '../../base/index.js'
import type { CheckFinding } from './contract.js'

export type BlockFinding = Pick<CheckFinding, 'where' | 'kind' | 'what' | 'cid' | 'outcome'>
export type FileOf = { readonly path: string | undefined; readonly fileId: Uint8Array | undefined }

export class FileFindings {
  #file: unknown
  #found: (BlockFinding & { blocks: number })[] = []
  #whose: () => FileOf = () => ({ path: undefined, fileId: undefined })

  /** @param tell receives each finding */
  constructor(private readonly tell: (finding: CheckFinding) => void) {}

  /**
   * @param file the same value for all blocks of one file
   * @param whose called when the findings of the file are reported
   */
  add(file: unknown, finding: BlockFinding, whose: () => FileOf): void {
    if (file !== this.#file) this.end()
    this.#file = file
    this.#whose = whose
    const same = this.#found.find(
      ({ where, kind, what, outcome }) =>
        where === finding.where && kind === finding.kind && what === finding.what && outcome === finding.outcome,
    )
    if (same === undefined) this.#found.push({ ...finding, blocks: 1 })
    else same.blocks++
  }

  /** Reports the findings of the current file. */
  end(): void {
    if (this.#found.length === 0) return
    const { path, fileId } = this.#whose()
    for (const finding of this.#found.splice(0)) {
      this.tell({ ...finding, path, fileId: fileId === undefined ? undefined : hex(fileId) })
    }
  }
}
