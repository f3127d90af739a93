// Where the REST API and the Socket.IO server are, seen from this page. All addresses are paths on the page's own origin.

/** Path that holds push-admin/: "/" or "/prefix/". */
export function siteRoot(pathname: string): string {
  const at = pathname.toLowerCase().lastIndexOf('/push-admin')
  const root = at >= 0 ? pathname.slice(0, at + 1) : pathname.replace(/[^/]*$/, '')
  // A path such as "//host/…" would name another host.
  return root.replace(/^\/+/, '/') || '/'
}

/** A path on this origin that ends in a slash, or '' for anything that could lead elsewhere. */
export function ownPath(text: string | null | undefined): string {
  const path = (text ?? '').trim()
  if (!/^\/(?![/\\])[\w\-./~%]*$/.test(path) && path !== '/') return ''
  return path.endsWith('/') ? path : path + '/'
}

/** Paths below which /api may be, most likely first. */
export function apiCandidates(pathname: string, search: string, meta: string | null): string[] {
  const root = siteRoot(pathname)
  const told = [ownPath(new URLSearchParams(search).get('api')), ownPath(meta)].filter(Boolean)
  return [...new Set([...told, root, root + 'push-logic/'])]
}

/** Paths below which /socket.io may be. */
export function socketCandidates(pathname: string, search: string): string[] {
  const root = siteRoot(pathname)
  const told = [ownPath(new URLSearchParams(search).get('push'))].filter(Boolean)
  return [...new Set([...told, root, root + 'push/'])]
}

/** Whether an answer to /health comes from this server; one that is not ready (503) counts. */
export async function isServer(answer: Response): Promise<boolean> {
  if (answer.headers.get('from') === 'light-push') return true
  return answer.ok && (await answer.text()).trim() === 'hello'
}

/** The first candidate that answers, or undefined when none does. */
export async function findApi(
  candidates: string[],
  get: (url: string) => Promise<Response>,
): Promise<string | undefined> {
  for (const base of candidates) {
    try {
      if (await isServer(await get(base + 'health'))) return base
    } catch {
      // unreachable: try the next one
    }
  }
  return undefined
}
