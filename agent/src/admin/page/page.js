// Keeps the page alive: times that run, content that follows the agent, commands that are copied.
// It renders nothing: what the agent sends is put in its place.
(() => {
  "use strict";
  // Before the agent closes a connection that is idle.
  const EVERY = 4000;
  const AT_MOST = 60000;
  const doc = document;
  const live = doc.getElementById("live");
  const news = doc.getElementById("news");
  doc.documentElement.classList.add("js");

  // The node's clock, whatever this machine's is.
  let ahead = 0;
  const setClock = (main) => {
    const now = Number(main.dataset.now);
    if (now > 0) ahead = now - Date.now();
  };

  const lasting = (seconds) => {
    const s = Math.max(0, Math.floor(seconds));
    const d = Math.floor(s / 86400), h = Math.floor(s / 3600) % 24, m = Math.floor(s / 60) % 60;
    if (d > 0) return `${d}d ${h}h`;
    if (h > 0) return `${h}h ${m}m`;
    if (m > 0) return `${m}m ${s % 60}s`;
    return `${s}s`;
  };

  const told = new WeakMap();
  const times = () => {
    const now = Date.now() + ahead;
    for (const it of doc.querySelectorAll("time[data-form]")) {
      const at = Date.parse(it.dateTime);
      if (!told.has(it)) {
        told.set(it, it.textContent);
        it.title = it.dataset.form === "clock" ? new Date(at).toLocaleString() : it.textContent;
      }
      const seconds = (now - at) / 1000;
      let text = told.get(it);
      if (it.dataset.form === "ago") text = seconds < 2 ? "just now" : `${lasting(seconds)} ago`;
      if (it.dataset.form === "lasting") text = lasting(seconds);
      if (it.dataset.form === "until") {
        text = seconds < 0 ? `in ${lasting(-seconds)}` : `was due ${lasting(seconds)} ago`;
      }
      if (it.textContent !== text) it.textContent = text;
    }
  };

  // Only what changed is replaced, and what somebody opened stays open.
  const sent = new Map();
  const note = (main) => {
    sent.clear();
    for (const part of main.children) if (part.id) sent.set(part.id, part.outerHTML);
  };
  const isHeld = (part) => {
    const selection = doc.getSelection();
    return selection && !selection.isCollapsed && part.contains(selection.anchorNode);
  };
  const keepOpen = (from, to) => {
    for (const it of to.querySelectorAll("details[data-key]")) {
      const before = from.querySelector(`details[data-key="${CSS.escape(it.dataset.key)}"]`);
      if (before) it.open = before.open;
    }
  };
  const focusPath = (part) => {
    const path = [];
    for (let it = doc.activeElement; it && it !== part; it = it.parentElement) {
      path.unshift([...it.parentElement.children].indexOf(it));
    }
    return path;
  };
  const follow = (part, path) => path.reduce((it, place) => it && it.children[place], part);

  const take = (fresh) => {
    const main = doc.getElementById("main");
    const [before, after] = [main, fresh].map((it) =>
      [...it.querySelectorAll("[data-verdict]")].map((part) => part.textContent).join());
    setClock(fresh);
    const ids = (it) => [...it.children].map((part) => part.id).join();
    if (ids(main) !== ids(fresh)) {
      note(fresh);
      const focused = main.contains(doc.activeElement);
      keepOpen(main, fresh);
      main.replaceChildren(...doc.importNode(fresh, true).childNodes);
      if (focused) main.focus();
    } else {
      for (const part of [...fresh.children]) {
        const old = part.id && doc.getElementById(part.id);
        if (!old || sent.get(part.id) === part.outerHTML || isHeld(old)) continue;
        sent.set(part.id, part.outerHTML);
        const path = old.contains(doc.activeElement) ? focusPath(old) : null;
        const added = doc.importNode(part, true);
        keepOpen(old, added);
        old.replaceWith(added);
        const focused = path && follow(added, path);
        if (focused) focused.focus({ preventScroll: true });
      }
    }
    if (fresh.dataset.title) doc.title = fresh.dataset.title;
    if (before !== after) news.textContent = after;
    times();
  };

  const say = (text, isWell) => {
    if (live.textContent !== text) live.textContent = text;
    doc.documentElement.classList.toggle("lost", !isWell);
  };

  let wait = EVERY, timer = 0, isAsking = false;
  const plan = (after) => {
    clearTimeout(timer);
    timer = setTimeout(ask, after);
  };
  const ask = async () => {
    if (doc.hidden || isAsking) return plan(wait);
    isAsking = true;
    try {
      const answer = await fetch(`${location.pathname}?part`, { signal: AbortSignal.timeout(15000) });
      if (answer.status === 401) {
        say("the agent started anew: ask podwhy open for its new address", false);
        return;
      }
      if (!answer.ok && answer.status !== 404) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const main = fresh.getElementById("main");
      if (!main) throw new Error("no content");
      take(main);
      say("live", true);
      wait = EVERY;
    } catch {
      say("no answer from the agent: this is old", false);
      wait = Math.min(2 * wait, AT_MOST);
    } finally {
      isAsking = false;
    }
    plan(wait);
  };

  doc.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    const code = button && button.parentElement.querySelector("code");
    if (!code) return;
    let word = "Copied";
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      doc.getSelection().selectAllChildren(code);
      word = "Selected";
    }
    news.textContent = word;
    const before = button.firstChild.textContent;
    button.firstChild.textContent = word;
    setTimeout(() => { button.firstChild.textContent = before; }, 1500);
  });
  doc.addEventListener("visibilitychange", () => { if (!doc.hidden) plan(0); });

  const main = doc.getElementById("main");
  if (!live || !main.dataset.now) return;
  setClock(main);
  note(main);
  times();
  setInterval(times, 1000);
  say("live", true);
  plan(EVERY);
})();
