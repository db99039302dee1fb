import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

export default defineConfig({
  root: import.meta.dirname,
  plugins: [vue()],
  define: {
    __VUE_OPTIONS_API__: false,
    // Vite's loader of pages does without it; happy-dom, in which the tests run, has none.
    'import.meta.resolve': 'undefined',
  },
  build: {
    target: 'es2023',
    // Nothing is inlined: the pages run under a policy that trusts files of their own origin only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
})
