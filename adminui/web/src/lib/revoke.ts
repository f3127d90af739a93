// The form of a revocation as data: what is typed, what is wrong with it, and what is sent.
import type { RevokeKind } from '../api/types'

/** What each kind is called in requests. */
const FIELDS: Record<RevokeKind, string> = { user: 'userid', device: 'uuid', token: 'token_id' }

/** The longest life of a revocation, in hours: a leap year. */
export const HOURS_MOST = 8784

export interface RevokeForm {
  kind: RevokeKind
  value: string
  /** Hours as typed. */
  hours: string
  reason: string
}

export type RevokeFault = '' | 'empty' | 'hours' | 'long'

export function revokeFaults(form: RevokeForm): { value: RevokeFault; hours: RevokeFault; reason: RevokeFault } {
  const hours = Number(form.hours)
  return {
    value: form.value.trim() ? '' : 'empty',
    hours: form.hours.trim() && hours * 3600 >= 1 && hours <= HOURS_MOST ? '' : 'hours',
    reason: new TextEncoder().encode(form.reason).length > 200 ? 'long' : '',
  }
}

/** Who a revocation is about, as requests name it. */
export function revokeTarget(kind: RevokeKind, value: string): Record<string, string> {
  return { [FIELDS[kind]]: value }
}

export function revokeBody(form: RevokeForm): Record<string, unknown> {
  return { ...revokeTarget(form.kind, form.value.trim()), expire: Number(form.hours), ...(form.reason.trim() ? { reason: form.reason.trim() } : {}) }
}
