// Numbers, times and sizes as people read them. Every function takes anything the server may send and never throws.

const DASH = '–'

export function num(value: unknown): number | undefined {
  if (value === null || value === undefined || value === '') return undefined
  const n = Number(value)
  return Number.isFinite(n) ? n : undefined
}

export function count(value: unknown, locale = 'en'): string {
  const n = num(value)
  return n === undefined ? DASH : new Intl.NumberFormat(locale, { maximumFractionDigits: 1 }).format(n)
}

/** 12,345 → 12.3K; below 10,000 in full. */
export function short(value: unknown, locale = 'en'): string {
  const n = num(value)
  if (n === undefined) return DASH
  if (Math.abs(n) < 10_000) return count(n, locale)
  return new Intl.NumberFormat(locale, { notation: 'compact', maximumFractionDigits: 1 }).format(n)
}

export function percent(part: unknown, whole: unknown): string {
  const a = num(part)
  const b = num(whole)
  if (a === undefined || !b) return DASH
  const p = (a / b) * 100
  return (p > 0 && p < 1 ? '<1' : p > 99 && p < 100 ? '>99' : Math.round(p)) + '%'
}

export function bytes(value: unknown): string {
  const n = num(value)
  if (n === undefined || n < 0) return DASH
  if (n < 1024) return `${n} B`
  const units = ['KiB', 'MiB', 'GiB', 'TiB']
  let v = n
  let i = -1
  do {
    v /= 1024
    i++
  } while (v >= 1024 && i < units.length - 1)
  return `${v < 10 ? v.toFixed(1) : Math.round(v)} ${units[i]}`
}

/** Milliseconds as 850 ms, 12.3 s, 4 min, 3 h, 2 d. */
export function duration(value: unknown): string {
  const ms = num(value)
  if (ms === undefined) return DASH
  if (ms < 1000) return `${ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms)} ms`
  const s = ms / 1000
  if (s < 60) return `${Math.round(s * 10) / 10} s`
  const m = Math.floor(s / 60)
  if (m < 60) return `${m} min`
  const h = Math.floor(m / 60)
  if (h < 48) return `${h} h` + (m % 60 ? ` ${m % 60} min` : '')
  return `${Math.floor(h / 24)} d` + (h % 24 ? ` ${h % 24} h` : '')
}

const two = (n: number) => String(n).padStart(2, '0')

/** 2026-11-20 15:04:05 in the browser's zone; the same in every language, so that columns align. */
export function time(value: unknown): string {
  const n = num(value)
  if (!n || n < 0) return DASH
  const d = new Date(n)
  if (Number.isNaN(d.getTime())) return DASH
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${clock(n)}`
}

/** 15:04:05, with milliseconds if asked. */
export function clock(value: number, ms = false): string {
  const d = new Date(value)
  const text = `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`
  return ms ? `${text}.${String(d.getMilliseconds()).padStart(3, '0')}` : text
}

/** Parts of a client id, /<ns>#<userid>#<platform>-<uuid>. '#' may be part of names, so the ends are cut first. */
export function clientParts(id: string, namespace: string): { user: string; platform: string; uuid: string } {
  const rest = id.startsWith(namespace + '#') ? id.slice(namespace.length + 1) : id
  const m = /^(.*?)#(web|ios|android)-(.*)$/s.exec(rest)
  return m ? { user: m[1], platform: m[2], uuid: m[3] } : { user: '', platform: '', uuid: rest }
}

/** Value of a datetime-local input as ms, or undefined. */
export function fromInput(value: string): number | undefined {
  if (!value) return undefined
  const n = new Date(value).getTime()
  return Number.isNaN(n) ? undefined : n
}
