// The rules of names, as the server has them by default; the server's word is final.

const RULE = /^[\w.\\\-$#/]+$/

/** Why a name is refused: a key of the messages, or ''. */
export function nameFault(text: string, max: number): '' | 'empty' | 'long' | 'characters' {
  if (!text) return 'empty'
  if (text.length > max) return 'long'
  return RULE.test(text) ? '' : 'characters'
}

export const withSlash = (key: string) => (key.startsWith('/') ? key : '/' + key)

/** Room names typed with commas, spaces or line ends between them. */
export function splitNames(text: string): string[] {
  return [...new Set(text.split(/[\s,，]+/).filter(Boolean))]
}

/** A name nobody has typed, for simulated devices. */
export function randomName(prefix: string): string {
  const bytes = crypto.getRandomValues(new Uint8Array(4))
  return prefix + Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('')
}
