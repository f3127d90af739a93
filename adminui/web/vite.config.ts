import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  plugins: [vue()],
  // Relative addresses: the console runs below any prefix.
  base: './',
  define: {
    __VUE_OPTIONS_API__: 'true', // parts of Element Plus need it
    __VUE_PROD_DEVTOOLS__: 'false',
    __VUE_I18N_LEGACY_API__: 'false',
    __VUE_I18N_FULL_INSTALL__: 'false',
    __INTLIFY_PROD_DEVTOOLS__: 'false',
    __INTLIFY_DROP_MESSAGE_COMPILER__: 'false', // it interprets a syntax tree: no eval
  },
  build: {
    outDir: '../dist',
    emptyOutDir: true,
    target: 'es2022',
    sourcemap: false,
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700,
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: Object.fromEntries(
      ['/api', '/health', '/socket.io'].map((path) => [
        path,
        { target: process.env.LIGHTPUSH ?? 'http://127.0.0.1:21314', ws: path === '/socket.io' },
      ]),
    ),
  },
  test: { environment: 'jsdom', include: ['tests/**/*.test.ts'] },
})
