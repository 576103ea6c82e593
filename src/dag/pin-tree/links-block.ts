/**
 * The blocks a node can read: dag-pb nodes without data, whose links have no name and no Tsize. A node sees only CIDs.
 * Every link is 40 bytes: `12 26 { 0a 24 <CID> }`. https://ipld.io/specs/codecs/dag-pb/spec/
 */
import { MIB } from '../../base/index.js'
import { CID_BYTES, cidBytes, cidFromBytes, type Cid } from '../cid.js'
import type { Block } from '../contract.js'
import { corrupt } from '../corrupt.js'
import { sha256 } from '../private-node.js'

const LINK_HEAD = Uint8Array.of(0x12, CID_BYTES + 2, 0x0a, CID_BYTES)
const LINK_BYTES = LINK_HEAD.length + CID_BYTES
const MAX_LINKS = Math.floor(MIB / LINK_BYTES)
/** Four times the mean at which writers make a deeper pin tree. Digests are random, so no leaf node comes near it. */
const MAX_PIN_TREE_LINKS = 1024

export function linksBlock(links: readonly Cid[]): Block {
  const bytes = new Uint8Array(links.length * LINK_BYTES)
  links.forEach((link, i) => {
    bytes.set(LINK_HEAD, i * LINK_BYTES)
    bytes.set(cidBytes(link), i * LINK_BYTES + LINK_HEAD.length)
  })
  return { digest: sha256(bytes), bytes, codec: 'dag-pb' }
}

/** The links of a node of a pin tree; CORRUPT for anything else, before links are made if there are too many. */
export function decodePinTreeNode(bytes: Uint8Array): Cid[] {
  return decodeLinks(bytes, MAX_PIN_TREE_LINKS)
}

/** The links in a block of `linksBlock`; CORRUPT for any other dag-pb node. */
export function decodeLinks(bytes: Uint8Array, most = MAX_LINKS): Cid[] {
  const count = bytes.length / LINK_BYTES
  if (!Number.isInteger(count) || count > most) throw corrupt('a list of links has an impossible length')
  return Array.from({ length: count }, (_, i) => {
    const link = bytes.subarray(i * LINK_BYTES, (i + 1) * LINK_BYTES)
    if (!LINK_HEAD.every((byte, at) => link[at] === byte))
      throw corrupt('a list of links holds something that is not a link')
    return cidFromBytes(link.subarray(LINK_HEAD.length))
  })
}
