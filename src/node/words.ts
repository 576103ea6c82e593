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

/** Our sentence, followed by the words of the node, if there are any. */
export function withWords(sentence: string, words: string): string {
  const line = shorten(withoutCredentials(words.replace(/<[^<>]*>/g, ' ')), MOST_QUOTED).replaceAll('"', "'")
  return line === '' ? sentence : `${sentence} It said: "${line}".`
}

/** Credentials of others, such as those of a proxy for the server behind it. Ours are removed before; see `hiding`. */
function withoutCredentials(words: string): string {
  return words
    .replace(/\/\/[^\s/@]*@/g, '//[hidden]@')
    .replace(/\b(bearer|basic)[\s:]+(?!\[hidden])\S+/gi, '$1 [hidden]')
}

/**
 * Removes our credentials from texts of the node: some servers repeat a request's headers in their errors.
 * @param authorization the header as sent: the scheme, and a token or the base64 of user and password
 */
export function hiding(authorization: string | undefined): (said: string) => string {
  if (authorization === undefined) return (said) => said
  const [scheme, sent = ''] = authorization.split(/ (.*)/s)
  const basic = scheme === 'Basic' ? Buffer.from(sent, 'base64').toString() : ''
  const secrets = [sent, basic, basic.replace(/^[^:]*:/, '')].filter((secret) => secret !== '')
  const hidden = [...new Set(secrets.flatMap(writtenForms))].sort((a, b) => b.length - a.length)
  return (text) => hidden.reduce((shown, secret) => shown.replaceAll(secret, '[hidden]'), text)
}

/** The forms in which a server may repeat a text: plain, in JSON, in Go's JSON, in HTML, in a URL, and in base64. */
function writtenForms(secret: string): string[] {
  const inJson = JSON.stringify(secret).slice(1, -1)
  const inGo = inJson.replace(/[<>&]/g, (one) => `\\u00${one.charCodeAt(0).toString(16)}`)
  const inHtml = secret.replace(/[<>&"']/g, (one) => HTML[one] ?? one)
  return [secret, inJson, inGo, inHtml, encodeURIComponent(secret), Buffer.from(secret).toString('base64')]
}

const HTML: Readonly<Record<string, string>> = { '<': '&lt;', '>': '&gt;', '&': '&amp;', '"': '&#34;', "'": '&#39;' }
