// The namespace a page is about, out of its address, and links within it.
import { useRoute, type RouteLocationRaw } from 'vue-router'
import { api } from '../state/session'

/** Pages are rebuilt when the namespace changes, so it is fixed for a page's life. */
export function useNamespace() {
  const route = useRoute()
  const short = String(route.params.ns ?? '')
  const key = '/' + short
  return { key, short, api: api.in(key), to: (name: string, query = {}, params = {}) => nsLink(short, name, query, params) }
}

export function nsLink(short: string, name: string, query: Record<string, string> = {}, params = {}): RouteLocationRaw {
  return { name, params: { ns: short, ...params }, query }
}
