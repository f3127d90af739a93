// The namespace form as data: what was read, what is typed, and the difference that is saved.
import type { ApnsProfile, Namespace } from '../api/types'
import { limitsForm, limitsPatch, type LimitsForm } from './limits'

export const MASK = '******'

export const APNS_TEXTS = [
  'apns_topic', 'apns_expiration', 'apns_host', 'token_keyId', 'token_teamId', 'token_key', 'apns_dev_cert', 'apns_dev_key',
  'apns_production_cert', 'apns_production_key',
] as const

export const PEM_FIELDS: readonly string[] = ['token_key', 'apns_dev_cert', 'apns_dev_key', 'apns_production_cert', 'apns_production_key']

export interface ProfileForm extends Record<(typeof APNS_TEXTS)[number], string> {
  name: string
  apns_env: string
  saved: boolean
  del: boolean
}

export interface NamespaceForm {
  key: string
  name: string
  auth_passwd: string
  viewer_passwd: string
  connect_callback: string
  disconnect_callback: string
  callback_auth: string
  callback_secret: string
  auth: string
  auth_key: string
  auth_key_old: string
  auth_jwks: string
  auth_audience: string
  client_push: string
  join_foreign_user_room: string
  limits: LimitsForm
  apns: ProfileForm[]
}

export function emptyProfile(name: string): ProfileForm {
  return {
    name, apns_env: 'dev', apns_topic: '', apns_expiration: '', apns_host: '', token_keyId: '', token_teamId: '', token_key: '',
    apns_dev_cert: '', apns_dev_key: '', apns_production_cert: '', apns_production_key: '', saved: false, del: false,
  }
}

function fromProfile(p: ApnsProfile): ProfileForm {
  const form = emptyProfile(p.name)
  form.apns_env = p.apns_env === 'production' ? 'production' : 'dev'
  for (const field of APNS_TEXTS) form[field] = p[field] ?? ''
  form.saved = true
  return form
}

export function toForm(n?: Namespace): NamespaceForm {
  return {
    key: n?.key ?? '',
    name: n?.name ?? '',
    auth_passwd: n?.auth_passwd ?? '',
    viewer_passwd: n?.viewer_passwd ?? '',
    connect_callback: n?.connect_callback ?? '',
    disconnect_callback: n?.disconnect_callback ?? '',
    callback_auth: n?.callback_auth ?? '',
    callback_secret: n?.callback_secret ?? '',
    auth: n?.auth ?? 'open',
    auth_key: n?.auth_key ?? '',
    auth_key_old: n?.auth_key_old ?? '',
    auth_jwks: n?.auth_jwks ?? '',
    auth_audience: n?.auth_audience ?? '',
    client_push: n?.client_push ?? 'on',
    join_foreign_user_room: n?.join_foreign_user_room ?? '',
    limits: limitsForm(n),
    apns: (n?.apns_list ?? []).map(fromProfile),
  }
}

const PLAIN = [
  'name', 'auth_passwd', 'viewer_passwd', 'connect_callback', 'disconnect_callback', 'callback_auth', 'callback_secret',
  'auth', 'auth_key', 'auth_key_old', 'auth_jwks', 'auth_audience', 'client_push', 'join_foreign_user_room',
] as const

/** Only what differs: a field somebody else changes meanwhile is not put back. */
export function patch(before: NamespaceForm, after: NamespaceForm): Record<string, unknown> {
  const out: Record<string, unknown> = {}
  for (const field of PLAIN) {
    if (after[field] !== before[field]) out[field] = after[field]
  }
  Object.assign(out, limitsPatch(before.limits, after.limits))
  const profiles: Record<string, unknown>[] = []
  for (const p of after.apns) {
    const old = before.apns.find((o) => o.name === p.name && p.saved)
    if (p.del) {
      if (old) profiles.push({ name: p.name, del: true })
      continue
    }
    const changed: Record<string, unknown> = {}
    for (const field of ['apns_env', ...APNS_TEXTS] as const) {
      if (!old ? p[field] !== '' : p[field] !== old[field]) changed[field] = p[field]
    }
    if (!old || Object.keys(changed).length) profiles.push({ name: p.name, ...changed })
  }
  if (profiles.length) out.apns_list = profiles
  return out
}
