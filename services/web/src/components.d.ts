// For tools that do not read components; vue-tsc knows the real type of each.
declare module '*.vue' {
  import type { DefineComponent } from 'vue'

  const component: DefineComponent
  export default component
}
