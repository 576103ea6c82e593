/** The operations of ordinary programs, as steps for the differential runner. */
import { attributeCases } from './cases/attributes.js'
import { contentCases } from './cases/contents.js'
import { nameCases } from './cases/names.js'
import { programCases } from './cases/programs.js'
import type { Case } from './runner.js'

export const cases: readonly Case[] = [...contentCases, ...nameCases, ...attributeCases, ...programCases]
