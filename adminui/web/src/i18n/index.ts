// English is always there; the other language is fetched when it is chosen.
import { watch } from 'vue'
import { createI18n } from 'vue-i18n'
import { preferences, type Language } from '../state/preferences'
import en from './en'

export type Messages = typeof en

export const i18n = createI18n<false>({
  legacy: false,
  locale: 'en',
  fallbackLocale: 'en',
  messages: { en } as never,
  missingWarn: false,
  fallbackWarn: false,
})

const loaders: Record<Language, () => Promise<unknown>> = {
  en: async () => en,
  'zh-CN': async () => (await import('./zh')).default,
}

async function load(language: Language) {
  i18n.global.setLocaleMessage(language, (await loaders[language]()) as never)
  i18n.global.locale.value = language
}

/** Loads the language the person prefers, and every one chosen later. */
export async function useLanguage() {
  watch(
    () => preferences.language,
    (language) => void load(language),
  )
  await load(preferences.language)
}

export const t = (key: string, named: Record<string, unknown> = {}): string => i18n.global.t(key, named)
export const te = (key: string): boolean => i18n.global.te(key)
