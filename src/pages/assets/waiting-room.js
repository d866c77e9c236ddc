// Moves an open Waiting Room on as soon as access is granted.
//
// An event stream brings the news at once. Whatever may go wrong with it (a proxy that buffers, a laptop that
// slept, a session that ended) is noticed by its silence: then the page itself is asked for. As long as the answer
// is the Waiting Room, nothing has happened; any other answer is for the browser to follow. While the stream
// speaks, nothing else is sent.
(() => {
  "use strict";

  const ANNOUNCEMENT_MS = 250; // long enough for a screen reader to take notice of the new text
  const CHECK_MS = 60000;
  const SILENCE_MS = 45000; // the server says something every 20 s
  const PATIENCE_MS = 5000; // a restart of the server is not worth interrupting anybody
  const RETRY_MS_MAX = 30000;

  const status = document.getElementById("status");
  let source = null;
  let retryMs = 1000;
  let left = false;
  let worry = 0;
  let heardAt = 0;

  function show(state) {
    const text = status.dataset[state];
    if (status.textContent !== text) status.textContent = text;
    status.dataset.state = state;
  }

  // Only a path of this origin is followed, and none that a browser could read as another host.
  function isOwnPath(path) {
    return /^\/(?!\/)[!-[\]-~]*$/.test(path) && new URL(path, location.origin).origin === location.origin;
  }

  function hear() {
    heardAt = Date.now();
  }

  // A stream that was cut off without a word (a laptop that slept) still counts as open, so that alone says nothing.
  function isAlive() {
    return source?.readyState === EventSource.OPEN && Date.now() - heardAt < SILENCE_MS;
  }

  function leave(go) {
    if (left) return;
    left = true;
    if (source) source.close();
    go();
  }

  function release(event) {
    if (!isOwnPath(event.data)) return;
    leave(() => {
      clearTimeout(worry);
      show("released");
      setTimeout(() => location.replace(event.data), ANNOUNCEMENT_MS);
    });
  }

  // Something else of the page has changed: its part on where things stand is put in anew, and read out.
  async function renew() {
    const fresh = await standing();
    const old = document.getElementById("standing");
    if (left || !fresh || fresh.innerHTML === old.innerHTML) return;
    const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
    old.replaceWith(document.adoptNode(fresh));
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    status.dataset.waiting = fresh.dataset.news;
    show("waiting");
  }

  async function standing() {
    const answer = await page();
    if (!answer?.ok) return null;
    const html = await answer.text().catch(() => "");
    return new DOMParser().parseFromString(html, "text/html").getElementById("standing");
  }

  function listen() {
    if (left) return;
    source = new EventSource(status.dataset.events);
    source.addEventListener("open", () => {
      hear();
      retryMs = 1000;
      clearTimeout(worry);
      worry = 0;
      show("waiting");
    });
    source.addEventListener("released", release);
    source.addEventListener("status", renew);
    for (const name of ["alive", "status"]) source.addEventListener(name, hear);
    source.addEventListener("error", () => {
      if (left) return;
      worry ||= setTimeout(show, PATIENCE_MS, "offline");
      // The browser reconnects by itself, except after an answer that is no event stream.
      if (source.readyState === EventSource.CLOSED) retry();
    });
  }

  function retry() {
    const pause = retryMs * (0.5 + Math.random());
    retryMs = Math.min(retryMs * 2, RETRY_MS_MAX);
    setTimeout(() => check().then(listen), pause);
  }

  async function check() {
    if (left) return;
    const answer = await page();
    if (!answer) return; // offline: the page stays as it is
    if (answer.ok || answer.status >= 500 || answer.status === 429) return;
    leave(() => location.reload());
  }

  // Asks for the page unless the stream speaks, and listens anew where it only seems to be open.
  async function look() {
    if (left || isAlive()) return;
    await check();
    if (left || isAlive() || source?.readyState !== EventSource.OPEN) return;
    source.close();
    listen();
  }

  async function page() {
    const headers = { accept: "text/html" };
    return fetch(location.href, { redirect: "manual", cache: "no-store", headers }).catch(() => null);
  }

  listen();
  setInterval(look, CHECK_MS);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && look());
  addEventListener("pageshow", (event) => event.persisted && location.reload());
})();
