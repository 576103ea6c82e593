/**
 * The words of a node in our messages. They are helpful and not trusted: shown as one quoted line of bounded length,
 * without control characters, tags and anything that looks like a credential.
 */

/** The longest quotation in a message. */
const MOST_QUOTED = 200
const MOST_SHORTENED = 300

/** One line without control characters, because a node's message may be shown on a terminal. */
export function shorten(text: string, most = MOST_SHORTENED): string {
  const line = text.replace(/[\s\p{Cc}\p{Cf}\p{Cs}]+/gu, ' ').trim()
  return line.length > most ? `${line.slice(0, most).replace(/\p{Cs}$/u, '')}…` : line
}

/** Our sentence, followed by the words of the node, if there are any. @param words after `hiding` */
export function withWords(sentence: string, words: string): string {
  const line = shorten(withoutCredentials(words.replace(/<[^<>]*>/g, ' ')), MOST_QUOTED).replaceAll('"', "'")
  return line === '' ? sentence : `${sentence} It said: "${line}".`
}

const HIDDEN = '[hidden]'

/**
 * Credentials of others, such as those of a proxy for the server behind it. A header that holds one is hidden with the
 * rest of its line, because its value may have any form.
 */
const FOREIGN: readonly (readonly [RegExp, string])[] = [
  [/((?:authorization|cookie2?)["'\\]*\s*[:=])\s*[^\r\n]*/gi, `$1 ${HIDDEN}`],
  [/((?:[-_](?:key|token|auth)|secret|passw(?:or)?d)["'\\]*\s*:)\s*[^\r\n]*/gi, `$1 ${HIDDEN}`],
  [/((?:token|key)["'\\]+\s*:)\s*[^,}\r\n]*/gi, `$1 ${HIDDEN}`],
  [
    /((?:token|key|secret|pass(?:w(?:or)?d)?|pwd|auth|sig|signature|session|jwt|credential)=)[^\s&#"'<>]*/gi,
    `$1${HIDDEN}`,
  ],
  [/(\/\\*\/)[^\s/]*@/g, `$1${HIDDEN}@`],
  [/\b(bearer|basic)[\s:]+(?!\[hidden])\S+/gi, `$1 ${HIDDEN}`],
]

function withoutCredentials(words: string): string {
  return FOREIGN.reduce((shown, [form, instead]) => shown.replace(form, instead), words)
}

/**
 * Removes everything that looks like a credential from texts of the node, ours first: some servers repeat a request's
 * headers in their errors, whole or cut. Apply it to the whole text: a cut one may end within a credential.
 * @param authorization the header as sent: the scheme, and a token or the base64 of user and password
 */
export function hiding(authorization: string | undefined): (said: string) => string {
  if (authorization === undefined) return withoutCredentials
  const [scheme, sent = ''] = authorization.split(/ (.*)/s)
  const basic = scheme === 'Basic' ? Buffer.from(sent, 'base64').toString() : ''
  const secrets = [sent, basic, basic.replace(/^[^:]*:/, '')].filter((secret) => secret !== '')
  const hidden = [...new Set(secrets.flatMap(writtenForms))].sort((a, b) => b.length - a.length)
  return (text) => withoutCredentials(hidden.reduce(withoutSecret, text))
}

/** The shortest beginning of a secret that is hidden like the whole. */
const LEAST_BEGINNING = 8

function withoutSecret(text: string, secret: string): string {
  const beginning = secret.slice(0, LEAST_BEGINNING)
  let shown = ''
  let done = 0
  for (let at = text.indexOf(beginning); at >= 0; at = text.indexOf(beginning, done)) {
    shown += text.slice(done, at) + HIDDEN
    done = at + beginning.length
    while (done - at < secret.length && text[done] === secret[done - at]) done++
  }
  return shown + text.slice(done)
}

/** The forms in which a server may repeat a text: plain, in JSON, in Go's JSON, in HTML, in a URL, and in base64. */
function writtenForms(secret: string): string[] {
  const inJson = JSON.stringify(secret).slice(1, -1)
  const inGo = inJson.replace(/[<>&]/g, (one) => `\\u00${one.charCodeAt(0).toString(16)}`)
  const inHtml = secret.replace(/[<>&"']/g, (one) => HTML[one] ?? one)
  const bytes = Buffer.from(secret)
  const [inBase64, inBase64Url] = [bytes.toString('base64'), bytes.toString('base64url')]
  return [secret, inJson, inGo, inHtml, encodeURIComponent(secret), inBase64, inBase64Url]
}

const HTML: Readonly<Record<string, string>> = { '<': '&lt;', '>': '&gt;', '&': '&amp;', '"': '&#34;', "'": '&#39;' }
