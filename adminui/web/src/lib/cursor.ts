// A list that the server hands out page by page, by cursor.
import { onScopeDispose, ref, shallowRef, type Ref, type ShallowRef } from 'vue'

export interface Page<T> {
  list: T[]
  cursor: string
}

export interface CursorList<T> {
  rows: ShallowRef<T[]>
  loading: Ref<boolean>
  error: ShallowRef<unknown>
  done: Ref<boolean>
  /** Forgets all rows and reads the first page. */
  reset(): Promise<void>
  /** Reads the next page, unless one is on its way or there is none. */
  more(): Promise<void>
}

/** A page may be empty and yet have a next one: up to this many are read for one call of more. */
const EMPTY_PAGES = 20

export function useCursor<T>(
  read: (cursor: string, signal: AbortSignal) => Promise<Page<T>>,
  identity: (row: T) => string,
  max = 100_000,
): CursorList<T> {
  const rows = shallowRef<T[]>([])
  const loading = ref(false)
  const error = shallowRef<unknown>()
  const done = ref(false)
  let cursor = ''
  let seen = new Set<string>()
  let current: AbortController | undefined

  async function more() {
    if (loading.value || done.value) return
    const mine = (current = new AbortController())
    loading.value = true
    error.value = undefined
    try {
      for (let i = 0; i < EMPTY_PAGES; i++) {
        const page = await read(cursor, mine.signal)
        if (mine.signal.aborted) return
        // What moves while the pages are read may come twice.
        const fresh = page.list.filter((row) => !seen.has(identity(row)) && seen.add(identity(row)))
        if (fresh.length) rows.value = rows.value.concat(fresh)
        cursor = page.cursor
        done.value = !cursor || rows.value.length >= max
        if (fresh.length || done.value) break
      }
    } catch (err) {
      if (mine.signal.aborted) return
      error.value = err
    }
    loading.value = false
  }

  function reset() {
    current?.abort()
    cursor = ''
    seen = new Set()
    rows.value = []
    done.value = false
    loading.value = false
    return more()
  }

  onScopeDispose(() => current?.abort())
  return { rows, loading, error, done, reset, more }
}
