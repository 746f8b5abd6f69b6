// Offline: built files are named by their content, so what was fetched once stays valid; the page itself is asked
// for first and taken from here when nobody answers. Checkpoints and answers of the server are never kept here.
const cacheName = 'gpt-lineage-1';

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('fetch', (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== 'GET' || url.origin !== self.location.origin) return;
  const base = new URL('./', self.registration.scope).pathname;
  const path = url.pathname.slice(base.length);
  if (path.startsWith('assets/')) event.respondWith(cached(event.request));
  else if (event.request.mode === 'navigate') event.respondWith(fresh(event.request));
});

async function cached(request) {
  const cache = await caches.open(cacheName);
  const known = await cache.match(request);
  if (known) return known;
  const response = await fetch(request);
  if (response.ok && response.status === 200) await cache.put(request, response.clone());
  return response;
}

async function fresh(request) {
  const cache = await caches.open(cacheName);
  try {
    const response = await fetch(request);
    if (response.ok) await cache.put(request, response.clone());
    return response;
  } catch (error) {
    const known = await cache.match(request);
    if (known) return known;
    throw error;
  }
}
