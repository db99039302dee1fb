import { createRouter, createWebHistory, type RouteLocation, type Router } from 'vue-router'
import { forgetUser, loadSession, session } from './account/session.ts'
import { watchSessionEnd } from './api/client.ts'

declare module 'vue-router' {
  interface RouteMeta {
    title: string
    isForMembers?: boolean
  }
}

const pages = [
  {
    path: '/',
    name: 'tools',
    meta: { title: 'Tools' },
    component: () => import('./pages/ToolsPage.vue'),
  },
  {
    path: '/tools/:slug',
    name: 'tool',
    meta: { title: 'Tool' },
    component: () => import('./pages/ToolPage.vue'),
    props: true,
  },
  {
    path: '/tasks',
    name: 'tasks',
    meta: { title: 'Tasks', isForMembers: true },
    component: () => import('./pages/TasksPage.vue'),
  },
  {
    path: '/tasks/:taskId',
    name: 'task',
    meta: { title: 'Task', isForMembers: true },
    component: () => import('./pages/TaskPage.vue'),
    props: true,
  },
  {
    path: '/gallery',
    name: 'gallery',
    meta: { title: 'Gallery', isForMembers: true },
    component: () => import('./pages/GalleryPage.vue'),
  },
  {
    path: '/gallery/:assetId',
    name: 'asset',
    meta: { title: 'Picture', isForMembers: true },
    component: () => import('./pages/AssetPage.vue'),
    props: true,
  },
  {
    path: '/links',
    name: 'links',
    meta: { title: 'Share links', isForMembers: true },
    component: () => import('./pages/LinksPage.vue'),
  },
  {
    path: '/credits',
    name: 'credits',
    meta: { title: 'Credits', isForMembers: true },
    component: () => import('./pages/CreditsPage.vue'),
  },
  {
    path: '/feed',
    name: 'feed',
    meta: { title: 'Feed' },
    component: () => import('./pages/FeedPage.vue'),
  },
  {
    path: '/shared/:assetId',
    name: 'post',
    meta: { title: 'Published' },
    component: () => import('./pages/PostPage.vue'),
    props: true,
  },
  {
    path: '/share',
    name: 'share',
    meta: { title: 'Shared with you' },
    component: () => import('./pages/SharePage.vue'),
  },
  {
    path: '/sign-in',
    name: 'sign-in',
    meta: { title: 'Sign in' },
    component: () => import('./pages/SignInPage.vue'),
  },
  {
    path: '/:path(.*)*',
    name: 'not-found',
    meta: { title: 'Nothing here' },
    component: () => import('./pages/NotFoundPage.vue'),
  },
]

// A page that was opened just now has the newest parts there are: opening it anew would not help.
const openForLongMs = 10_000

/** The pages of the site, each loaded when it is first opened. */
export function createPages(): Router {
  const router = createRouter({ history: createWebHistory(), routes: pages })
  router.beforeEach(async to => {
    if (!to.meta.isForMembers) return true
    await loadSession()
    // While it is not known who is signed in, the page itself says what went wrong.
    return session.state === 'guest' ? signInFor(to) : true
  })
  router.afterEach(to => {
    document.title = `${to.meta.title} · FunMagic`
  })
  // The parts of a page that was open during a release may be gone: the new page has its own.
  router.onError((_error, to) => {
    if (performance.now() > openForLongMs) location.assign(to.fullPath)
  })
  // A session that ends under a page: its member signs in again, and comes back to it.
  watchSessionEnd(() => {
    const wasMember = session.state === 'member'
    const here = router.currentRoute.value
    forgetUser()
    if (wasMember || here.meta.isForMembers) void router.push(signInFor(here))
  })
  return router
}

function signInFor({ fullPath }: Pick<RouteLocation, 'fullPath'>) {
  return { name: 'sign-in', query: { next: fullPath } }
}
