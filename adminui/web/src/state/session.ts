// Who is signed in, and the one client of the API.
import { reactive } from 'vue'
import { apiCandidates, findApi, isServer } from '../api/base'
import { ApiError, Client } from '../api/client'
import { Api } from '../api/routes'
import type { Session } from '../api/types'
import { connection, probeWith, report } from './connection'

export const state = reactive({
  session: null as Session | null,
  /** Set while the session is gone and the page waits for the person to sign in again. */
  relogin: null as { name: string; done(ok: boolean): void } | null,
  /** False until the API has been found. */
  found: false,
})

/** May change things: push, save, kick. */
export const may = reactive({
  get write(): boolean {
    return state.session?.role === 'admin' || state.session?.role === 'owner'
  },
  get installation(): boolean {
    return state.session?.role === 'admin' || state.session?.role === 'viewer'
  },
  get administer(): boolean {
    return state.session?.role === 'admin'
  },
})

const candidates = apiCandidates(
  location.pathname,
  location.search,
  document.querySelector('meta[name="lightpush-api"]')?.getAttribute('content') ?? null,
)

const http = new Client(candidates[0], {
  csrf: () => state.session?.csrf ?? '',
  deputy: () => may.installation,
  expired: () =>
    new Promise<boolean>((resolve) => {
      if (!state.session) return resolve(false)
      state.relogin = {
        name: state.session.name,
        done(ok) {
          state.relogin = null
          if (!ok) state.session = null
          resolve(ok)
        },
      }
    }),
  renew: async () => {
    state.session = await api.session()
  },
  reachable: report,
})

export const api = new Api(http)

const health = (url: string) => fetch(url, { cache: 'no-store', signal: AbortSignal.timeout(5000) })

probeWith(async () => {
  const answer = await health(http.base + 'health')
  return answer.ok && (await isServer(answer))
})

/** Finds the API and the session of an earlier visit. Resolves also when nobody is signed in. */
export async function start(): Promise<void> {
  for (let wait = 500; ; wait = Math.min(wait * 2, 5000)) {
    const base = await findApi(candidates, health)
    if (base) {
      http.base = base
      break
    }
    connection.ok = false
    await new Promise((done) => setTimeout(done, wait))
  }
  connection.ok = true
  state.found = true
  try {
    state.session = await api.session()
  } catch (err) {
    if (err instanceof ApiError && err.status >= 500) throw err
    state.session = null
  }
}

export async function signIn(name: string, password: string): Promise<Session> {
  state.session = await api.login(name, password)
  return state.session
}

export async function signOut() {
  try {
    await api.logout()
  } finally {
    state.session = null
  }
}

/** Where a person begins after signing in. */
export function home(session: Session): string {
  return session.role === 'admin' || session.role === 'viewer'
    ? '/overview'
    : `/n/${encodeURIComponent(session.namespace.slice(1))}/overview`
}
