import { createApp } from 'vue'
import App from './App.vue'
import { i18n, useLanguage } from './i18n'
import { router } from './router'
import { applyPreferences } from './state/preferences'
import { registerUi } from './ui'
import './styles/main.css'

applyPreferences()
const app = createApp(App)
registerUi(app)
app.use(i18n).use(router)
await useLanguage()
app.mount('#app')
