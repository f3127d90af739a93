// Routes in the fragment of the address: they work below any prefix and need nothing from the server.
import { createRouter, createWebHashHistory, type RouteRecordRaw } from 'vue-router'
import { home, start, state } from './state/session'
import AppShell from './components/AppShell.vue'
import LoginView from './views/LoginView.vue'

const routes: RouteRecordRaw[] = [
  { path: '/login', name: 'login', component: LoginView, meta: { open: true } },
  {
    path: '/',
    component: AppShell,
    children: [
      { path: '', redirect: () => (state.session ? home(state.session) : '/login') },
      { path: 'overview', name: 'overview', component: () => import('./views/OverviewView.vue'), meta: { installation: true } },
      { path: 'namespaces', name: 'namespaces', component: () => import('./views/NamespacesView.vue'), meta: { installation: true } },
      { path: 'nodes', name: 'nodes', component: () => import('./views/NodesView.vue'), meta: { installation: true } },
      { path: 'redis', name: 'redis', component: () => import('./views/RedisView.vue'), meta: { installation: true } },
      { path: 'queues', name: 'queues', component: () => import('./views/QueuesView.vue'), meta: { installation: true } },
      { path: 'audit', name: 'audit', component: () => import('./views/AuditView.vue'), meta: { installation: true } },
      { path: 'n/:ns/overview', name: 'ns-overview', component: () => import('./views/OverviewView.vue') },
      { path: 'n/:ns/rooms', name: 'rooms', component: () => import('./views/RoomsView.vue') },
      { path: 'n/:ns/room', name: 'room', component: () => import('./views/RoomView.vue'), meta: { parent: 'rooms' } },
      { path: 'n/:ns/users', name: 'users', component: () => import('./views/UsersView.vue') },
      { path: 'n/:ns/user', name: 'user', component: () => import('./views/UserView.vue'), meta: { parent: 'users' } },
      { path: 'n/:ns/devices', name: 'devices', component: () => import('./views/DevicesView.vue') },
      { path: 'n/:ns/device', name: 'device', component: () => import('./views/DeviceView.vue'), meta: { parent: 'devices' } },
      { path: 'n/:ns/push', name: 'push', component: () => import('./views/PushView.vue') },
      { path: 'n/:ns/messages', name: 'messages', component: () => import('./views/MessagesView.vue') },
      { path: 'n/:ns/message/:id', name: 'message', component: () => import('./views/MessageView.vue'), meta: { parent: 'messages' } },
      { path: 'n/:ns/message/:id/trace', name: 'trace', component: () => import('./views/TraceView.vue'), meta: { parent: 'messages' } },
      { path: 'n/:ns/simulator', name: 'simulator', component: () => import('./views/SimulatorView.vue') },
      { path: 'n/:ns/access', name: 'access', component: () => import('./views/AccessView.vue') },
      { path: 'n/:ns/settings', name: 'settings', component: () => import('./views/SettingsView.vue') },
    ],
  },
  { path: '/:rest(.*)*', redirect: '/' },
]

export const router = createRouter({ history: createWebHashHistory(), routes, scrollBehavior: () => ({ top: 0 }) })

let started: Promise<void> | undefined

router.beforeEach(async (to) => {
  await (started ??= start())
  if (to.meta.open) return state.session ? home(state.session) : true
  if (!state.session) return { path: '/login', query: to.fullPath === '/' ? {} : { to: to.fullPath } }
  const own = state.session.namespace
  if (to.meta.installation && own) return home(state.session)
  // A namespace's own session sees that namespace only.
  if (own && to.params.ns !== undefined && '/' + String(to.params.ns) !== own) return home(state.session)
  return true
})
