// Push templates, kept in this browser per namespace. They hold what was typed, never a credential.

export interface Template {
  name: string
  target: 'room' | 'user'
  room: string
  pushData: string
  leaveMessage: boolean
  apnsName: string
  expire: string
  lost: boolean
  except: string
}

const LIMIT = 100

const key = (namespace: string) => 'lightpush.templates.' + namespace

function isTemplate(t: unknown): t is Template {
  return !!t && typeof t === 'object' && typeof (t as Template).name === 'string' && typeof (t as Template).pushData === 'string'
}

export function load(namespace: string, storage: Storage = localStorage): Template[] {
  try {
    const list = JSON.parse(storage.getItem(key(namespace)) ?? '[]')
    return Array.isArray(list) ? list.filter(isTemplate) : []
  } catch {
    return []
  }
}

function store(namespace: string, list: Template[], storage: Storage): boolean {
  try {
    storage.setItem(key(namespace), JSON.stringify(list))
    return true
  } catch {
    return false // full, or switched off
  }
}

/** Adds, or takes the place of the one with the same name. False when the browser does not keep it. */
export function save(namespace: string, template: Template, storage: Storage = localStorage): boolean {
  const list = load(namespace, storage).filter((t) => t.name !== template.name)
  return store(namespace, [template, ...list].slice(0, LIMIT), storage)
}

export function remove(namespace: string, name: string, storage: Storage = localStorage): boolean {
  return store(namespace, load(namespace, storage).filter((t) => t.name !== name), storage)
}
