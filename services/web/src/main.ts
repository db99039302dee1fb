import { createApp } from 'vue'
import App from './App.vue'
import { createPages } from './router.ts'
import './ui/style.css'

createApp(App).use(createPages()).mount('#app')
