// Limits and retention of a namespace: what may be typed, and what the server will say to it.
import { num } from './format'

export const LIMIT_NAMES = [
  'max_connections', 'max_connections_per_user', 'max_rooms_per_client', 'max_events_per_second', 'max_pushes_per_second',
  'max_push_bytes',
] as const
export const RETENTION_NAMES = ['default_expire', 'max_expire', 'inbox_max', 'history_max', 'client_expire'] as const
export const ALL_LIMITS = [...LIMIT_NAMES, ...RETENTION_NAMES] as const
export type LimitName = (typeof ALL_LIMITS)[number]

/** Bounds of the server. */
const MOST: Record<LimitName, number> = {
  max_connections: 1e9, max_connections_per_user: 1e9, max_events_per_second: 1e6, max_rooms_per_client: 1e5, max_push_bytes: 16 << 20,
  max_pushes_per_second: 1e6, default_expire: 87_600, max_expire: 87_600, inbox_max: 1e5, history_max: 1e5, client_expire: 87_600,
}

export const UNITS: Record<LimitName, 'count' | 'bytes' | 'hours'> = {
  max_connections: 'count', max_connections_per_user: 'count', max_events_per_second: 'count', max_rooms_per_client: 'count', max_push_bytes: 'bytes',
  max_pushes_per_second: 'count', default_expire: 'hours', max_expire: 'hours', inbox_max: 'count', history_max: 'count', client_expire: 'hours',
}

/** As the server tells them; 0 is none. */
export type Limits = Record<LimitName, number>
export interface LimitsAnswer {
  configured: Limits
  /** The most the namespace itself may set. */
  ceiling: Limits
  inForce: Limits
}

/** As typed; '' is "as configured". */
export type LimitsForm = Record<LimitName, string>

export function limitsForm(record?: Partial<Record<LimitName, number>>): LimitsForm {
  return Object.fromEntries(ALL_LIMITS.map((n) => [n, record?.[n] ? String(record[n]) : ''])) as LimitsForm
}

/** What is saved: only what was changed, 0 for "as configured". */
export function limitsPatch(before: LimitsForm, after: LimitsForm): Record<string, number> {
  const value = (text: string) => num(text.trim()) ?? 0
  return Object.fromEntries(ALL_LIMITS.filter((n) => value(before[n]) !== value(after[n])).map((n) => [n, value(after[n])]))
}

export interface LimitFault {
  kind: 'number' | 'ceiling' | 'configured' | 'order'
  n: number
}

/** What a field may not be. told: what the server says of this namespace, if it does; administrator: may raise limits. */
export function limitFault(name: LimitName, before: LimitsForm, form: LimitsForm, told: LimitsAnswer | undefined, administrator: boolean): LimitFault | undefined {
  const text = form[name].trim()
  if (!text || text === before[name]) return undefined
  const value = Number(text)
  if (!/^\d+$/.test(text) || value > MOST[name]) return { kind: 'number', n: MOST[name] }
  const configured = told?.configured[name] ?? 0
  if (name === 'history_max' && configured && value > configured) return { kind: 'configured', n: configured }
  if (name === 'default_expire') {
    const typed = form.max_expire.trim()
    const longest = typed ? Number(typed) : told?.configured.max_expire ?? 0
    return longest && value > longest ? { kind: 'order', n: longest } : undefined
  }
  const ceiling = told?.ceiling[name] ?? 0
  return !administrator && ceiling && value > ceiling ? { kind: 'ceiling', n: ceiling } : undefined
}

/** What holds while a field is empty, 0 for none; undefined while the server has not told it. */
export function fallback(name: LimitName, told: LimitsAnswer | undefined, administrator: boolean): number | undefined {
  if (!told) return undefined
  // For the namespace itself an empty field is the administrator's limit. default_expire is a choice below one.
  return administrator || name === 'default_expire' ? told.configured[name] : told.ceiling[name]
}
