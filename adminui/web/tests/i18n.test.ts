import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createI18n } from 'vue-i18n'
import en from '../src/i18n/en'
import zh from '../src/i18n/zh'
import { RECEIPT_STATES } from '../src/api/types'

type Tree = { [key: string]: string | Tree }

function flatten(tree: Tree, prefix = ''): Map<string, string> {
  const out = new Map<string, string>()
  for (const [key, value] of Object.entries(tree)) {
    if (typeof value === 'string') out.set(prefix + key, value)
    else for (const [k, v] of flatten(value, prefix + key + '.')) out.set(k, v)
  }
  return out
}

const english = flatten(en as unknown as Tree)
const chinese = flatten(zh as unknown as Tree)
const places = (text: string) => (text.match(/\{[a-z]+\}/gi) ?? []).sort()

function sources(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((e) =>
    e.isDirectory() ? sources(join(dir, e.name)) : /\.(vue|ts)$/.test(e.name) && !dir.endsWith('i18n') ? [join(dir, e.name)] : [],
  )
}

describe('messages', () => {
  it('has the same keys in both languages', () => {
    expect([...chinese.keys()].sort()).toEqual([...english.keys()].sort())
  })

  it('has the same places to fill in', () => {
    for (const [key, text] of english) expect(places(chinese.get(key)!), key).toEqual(places(text))
  })

  it('has no empty text, and Chinese where there are words', () => {
    for (const [key, text] of [...english, ...chinese]) expect(text.trim(), key).not.toBe('')
    const same = [...english].filter(([key, text]) => chinese.get(key) === text).map(([key]) => key)
    const proper = /^(nav\.redis|redis\.title|json\.label|nodes\.cpu|messages\.id|sim\.info|outcome\.apns|receipt\.apns\.name|apns\.token_(keyId|teamId)|namespace\.auth_audience)$/
    expect(same.filter((key) => !proper.test(key))).toEqual([])
  })

  it('can be read by vue-i18n', () => {
    for (const [locale, messages, texts] of [['en', en, english], ['zh-CN', zh, chinese]] as const) {
      const make = createI18n as unknown as (options: object) => { global: { t(key: string, named: object): string } }
      const i18n = make({ legacy: false, locale, messages: { [locale]: messages } })
      for (const key of texts.keys()) expect(i18n.global.t(key, { n: 1, name: 'x', key: 'x' }), key).not.toBe(key)
    }
  })

  it('has every key the sources name', () => {
    const used = new Set<string>()
    const prefixes = new Set<string>()
    for (const file of sources(join(__dirname, '../src'))) {
      const text = readFileSync(file, 'utf8')
      for (const m of text.matchAll(/\bt\(\s*'([\w.-]+)'(\s*\+)?/g)) (m[2] ? prefixes : used).add(m[1])
      for (const m of text.matchAll(/\bt\([^()']*\?\s*'([\w.-]+)'\s*:\s*'([\w.-]+)'/g)) for (const key of [m[1], m[2]]) used.add(key)
    }
    expect(used.size).toBeGreaterThan(150)
    expect([...used].filter((key) => !english.has(key))).toEqual([])
    for (const prefix of prefixes) expect([...english.keys()].some((key) => key.startsWith(prefix)), prefix).toBe(true)
    const unused = [...english.keys()].filter((key) => !used.has(key) && ![...prefixes].some((p) => key.startsWith(p)))
    expect(unused).toEqual([])
  })

  it('knows every state of a receipt', () => {
    for (const state of RECEIPT_STATES) expect(english.has(`receipt.${state}.name`), state).toBe(true)
  })
})
