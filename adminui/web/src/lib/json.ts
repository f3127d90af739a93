// JSON as people type it: where it is wrong, and its parts for colouring. Nothing here produces HTML.

export interface JsonFault {
  /** 'empty' | 'syntax' | 'type' */
  kind: 'empty' | 'syntax' | 'type'
  line: number
  column: number
  message: string
}

export type JsonCheck = { value: unknown; fault?: undefined } | { value?: undefined; fault: JsonFault }

/** Line and column (from 1) of an offset. */
export function place(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset)
  const line = before.split('\n').length
  return { line, column: offset - before.lastIndexOf('\n') }
}

/** Offset of the first character that cannot be part of the JSON text; engines word their errors differently. */
export function faultOffset(text: string): number {
  let i = 0
  const ws = () => {
    while (i < text.length && /[ \t\r\n]/.test(text[i])) i++
  }
  const fail = (): never => {
    throw i
  }
  const word = (w: string) => {
    for (const c of w) {
      if (text[i] !== c) fail()
      i++
    }
  }
  const string = () => {
    i++
    for (; ; i++) {
      const c = text[i]
      if (c === undefined || c < ' ') fail()
      if (c === '"') return void i++
      if (c === '\\') {
        i++
        if (text[i] === 'u') {
          if (!/^[\da-fA-F]{4}/.test(text.slice(i + 1, i + 5))) fail()
          i += 4
        } else if (!'"\\/bfnrt'.includes(text[i] ?? ' ')) fail()
      }
    }
  }
  const value = (depth: number): void => {
    if (depth > 5000) fail()
    ws()
    const c = text[i]
    if (c === '{' || c === '[') {
      const end = c === '{' ? '}' : ']'
      i++
      ws()
      if (text[i] === end) return void i++
      for (;;) {
        ws()
        if (c === '{') {
          if (text[i] !== '"') fail()
          string()
          ws()
          if (text[i] !== ':') fail()
          i++
        }
        value(depth + 1)
        ws()
        if (text[i] === end) return void i++
        if (text[i] !== ',') fail()
        i++
      }
    }
    if (c === '"') return string()
    if (c === 't') return word('true')
    if (c === 'f') return word('false')
    if (c === 'n') return word('null')
    const n = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/.exec(text.slice(i, i + 400))
    if (!n) return fail()
    i += n[0].length
  }
  try {
    value(0)
    ws()
    return i < text.length ? i : -1
  } catch (at) {
    if (typeof at === 'number') return at
    throw at
  }
}

/** Parses; want says what the value must be. */
export function check(text: string, want: 'object' | 'container' | 'any' = 'any'): JsonCheck {
  if (!text.trim()) return { fault: { kind: 'empty', line: 1, column: 1, message: '' } }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (err) {
    const offset = faultOffset(text)
    return {
      fault: { kind: 'syntax', ...place(text, offset < 0 ? text.length : offset), message: (err as Error).message },
    }
  }
  const container = typeof value === 'object' && value !== null
  if ((want !== 'any' && !container) || (want === 'object' && Array.isArray(value))) {
    return { fault: { kind: 'type', line: 1, column: 1, message: '' } }
  }
  return { value }
}

export function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}

export interface Token {
  kind: 'key' | 'string' | 'number' | 'word' | 'mark' | 'text'
  text: string
}

const TOKENS = /("(?:\\.|[^"\\\n])*"?)(\s*:)?|(-?\d[\d.eE+-]*)|(true|false|null)\b|([{}[\],:])|([^"{}[\],:\d\-tfn]+|.)/gs

/** Parts of a text for colouring; joined they are the text again. */
export function tokens(text: string): Token[] {
  const out: Token[] = []
  const add = (kind: Token['kind'], part: string) => {
    const last = out[out.length - 1]
    if (last && last.kind === kind && kind !== 'key' && kind !== 'string') last.text += part
    else out.push({ kind, text: part })
  }
  for (const m of text.matchAll(TOKENS)) {
    if (m[1] !== undefined) {
      add(m[2] === undefined ? 'string' : 'key', m[1])
      if (m[2] !== undefined) add('mark', m[2])
    } else if (m[3] !== undefined) add('number', m[3])
    else if (m[4] !== undefined) add('word', m[4])
    else if (m[5] !== undefined) add('mark', m[5])
    else add('text', m[6])
  }
  return out
}

export function byteLength(text: string): number {
  return new TextEncoder().encode(text).length
}
