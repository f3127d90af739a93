// What the person prefers, kept in this browser.
import { reactive, watchEffect } from 'vue'

export type Theme = 'auto' | 'light' | 'dark'
export type Language = 'en' | 'zh-CN'

export function read(key: string): string {
  try {
    return localStorage.getItem('lightpush.' + key) ?? ''
  } catch {
    return ''
  }
}

export function write(key: string, value: string) {
  try {
    localStorage.setItem('lightpush.' + key, value)
  } catch {
    // storage may be switched off: the choice lasts for this page then
  }
}

const stored = { theme: read('theme'), language: read('language') }
const system = matchMedia('(prefers-color-scheme: dark)')

export const preferences = reactive({
  theme: (['light', 'dark'].includes(stored.theme) ? stored.theme : 'auto') as Theme,
  language: (stored.language === 'zh-CN' || (!stored.language && navigator.language.startsWith('zh'))
    ? 'zh-CN'
    : 'en') as Language,
  systemDark: system.matches,
  collapsed: read('collapsed') === '1',
  get dark(): boolean {
    return this.theme === 'dark' || (this.theme === 'auto' && this.systemDark)
  },
})

system.addEventListener('change', (e) => (preferences.systemDark = e.matches))

export function applyPreferences() {
  watchEffect(() => {
    document.documentElement.classList.toggle('dark', preferences.dark)
    write('theme', preferences.theme)
  })
  watchEffect(() => {
    document.documentElement.lang = preferences.language
    write('language', preferences.language)
  })
  watchEffect(() => write('collapsed', preferences.collapsed ? '1' : ''))
}
