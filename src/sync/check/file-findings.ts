/** What is wrong with the blocks of one file becomes one finding a kind and outcome, told when the next file begins. */
import { hex } from '../../base/index.js'
import type { CheckFinding } from './contract.js'

export type BlockFinding = Pick<CheckFinding, 'where' | 'kind' | 'what' | 'cid' | 'outcome'>
/** Who the file is. */
export type FileOf = { readonly path: string | undefined; readonly fileId: Uint8Array | undefined }

export class FileFindings {
  #file: unknown
  #found: (BlockFinding & { blocks: number })[] = []
  #whose: () => FileOf = () => ({ path: undefined, fileId: undefined })

  /** @param tell gets each finding */
  constructor(private readonly tell: (finding: CheckFinding) => void) {}

  /** @param file equal for the blocks of one file @param whose asked when the findings of the file are told */
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

  /** No more of this file. */
  end(): void {
    if (this.#found.length === 0) return
    const { path, fileId } = this.#whose()
    for (const finding of this.#found.splice(0)) {
      this.tell({ ...finding, path, fileId: fileId === undefined ? undefined : hex(fileId) })
    }
  }
}
