"use strict";
(() => {
  const body = document.body, main = document.getElementById("main"), text = (name) => body.dataset[name] || "";
  const store = (key, value) => { try { if (value === undefined) return localStorage.getItem(key); localStorage.setItem(key, value); } catch { return null; } };

  document.documentElement.classList.add("scripted");

  // Theme and zone.
  const theme = store("lts-theme");
  if (theme) document.documentElement.dataset.theme = theme;
  document.getElementById("theme").addEventListener("click", () => {
    const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    document.documentElement.dataset.theme = dark ? "light" : "dark";
    store("lts-theme", dark ? "light" : "dark");
  });
  const zone = document.getElementById("zone");
  let utc = store("lts-zone") === "utc";
  const two = (n) => String(n).padStart(2, "0");
  function shown(d) {
    const day = utc ? [d.getUTCFullYear(), d.getUTCMonth(), d.getUTCDate(), d.getUTCHours(), d.getUTCMinutes(), d.getUTCSeconds()]
      : [d.getFullYear(), d.getMonth(), d.getDate(), d.getHours(), d.getMinutes(), d.getSeconds()];
    return `${day[0]}-${two(day[1] + 1)}-${two(day[2])} ${two(day[3])}:${two(day[4])}:${two(day[5])}` + (utc ? " UTC" : "");
  }
  const units = text("units").split("|");
  function span(ms) {
    const s = Math.floor(Math.abs(ms) / 1000), unit = s < 60 ? 0 : s < 3600 ? 1 : s < 86400 ? 2 : 3;
    return `${Math.floor(s / [1, 60, 3600, 86400][unit])} ${units[unit]}`;
  }
  function times() {
    zone.textContent = utc ? text("utc") : text("local");
    for (const t of document.querySelectorAll("time")) {
      const d = new Date(t.dateTime), ago = Date.now() - d;
      t.textContent = shown(d);
      t.title = (ago < 0 ? text("in") : text("ago")).replace("{0}", span(ago));
    }
  }
  zone.addEventListener("click", () => { utc = !utc; store("lts-zone", utc ? "utc" : "local"); times(); const box = document.getElementById("plots"); if (box) { delete box.dataset.drawn; charts(); } });
  times();

  // A question before an action that cannot be undone.
  document.addEventListener("click", (event) => {
    const ask = event.target.closest?.("[data-ask]");
    if (ask && !confirm(ask.dataset.ask)) event.preventDefault();
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("input.all")) {
      for (const box of event.target.closest("table").querySelectorAll("input[name=id]")) box.checked = event.target.checked;
    }
  });

  // The element with the focus keeps it when the content is replaced, or when an action leads back to the page. It is found
  // again by its address and the hidden fields of its form, and by the number of equal elements after it: lists grow at their
  // beginning.
  const signature = (e) => [e.tagName, e.id, e.name, e.type === "checkbox" ? e.value : "", e.getAttribute("href") || e.getAttribute("formaction") || "",
    ...[...e.form?.querySelectorAll("input[type=hidden]") || []].map((field) => `${field.name}=${field.value}`)].join("\n");
  const alike = (of) => [...main.querySelectorAll(of.split("\n")[0])].filter((e) => signature(e) === of);
  const placeOf = (e) => { const of = signature(e), all = alike(of); return { of, after: all.length - all.indexOf(e) }; };
  const elementAt = (place) => { const all = place ? alike(place.of) : []; return all[all.length - place?.after]; };

  // Live: a message makes the page request its content again, at most twice a second, and not while
  // the user chooses rows or writes in a form.
  const state = document.getElementById("state");
  let stale = false, next = 0, timer = 0, broken = false, searching = false;
  const task = new URLSearchParams(location.search).get("id");
  // The page does not refresh while a field has the focus, or a table or a log that the keyboard scrolls. Links and buttons keep
  // the focus during a refresh.
  const focused = () => { const at = document.activeElement; return main !== at && main.contains(at) && !at.matches("a, button, summary") && !(at.matches("table, pre, div") && !at.matches(":focus-visible")); };
  let pressed = 0; // when a button or the space bar went down, 0 after its release: the element under it must stay
  for (const name of ["pointerdown", "keydown"]) main.addEventListener(name, (event) => { if (name === "pointerdown" || event.key === " ") pressed = Date.now(); });
  for (const name of ["pointerup", "pointercancel", "keyup"]) addEventListener(name, () => { pressed = 0; });
  const held = () => searching || Date.now() - pressed < 5000 || !!main.querySelector("input[name=id][type=checkbox]:checked, details[data-user][open]")
    || [...main.querySelectorAll("input:not([type=checkbox]), textarea")].some((field) => field.value !== field.defaultValue)
    || focused()
    || !getSelection().isCollapsed && main.contains(getSelection().anchorNode);
  function show() {
    const at = main.querySelector("[data-at]");
    const notice = broken ? text("off") : stale && held() ? text(searching ? "searching" : "held") : "";
    state.className = broken ? "off" : "";
    state.ariaLive = notice ? "polite" : "off"; // a screen reader does not read the age each second
    state.textContent = notice || (at ? text("age").replace("{0}", span(Date.now() - at.dataset.at)) : "");
    state.title = state.textContent; // narrow windows cut it
  }
  function refresh() {
    clearTimeout(timer);
    timer = 0;
    if (!stale || document.hidden || held()) return;
    if (Date.now() < next) { timer = setTimeout(refresh, next - Date.now()); return; }
    stale = false;
    next = Date.now() + 500;
    htmx.trigger(main, "refresh");
  }
  function receive(message) {
    broken = message.state === "broken";
    const ofTask = location.pathname.endsWith("/task");
    if (message.reset || message.full || message.events && (!ofTask || message.tasks?.includes(task))) { stale = true; refresh(); }
    show();
  }
  // Expensive pages and forms do not request their content again.
  if (body.dataset.live && main.hasAttribute("hx-get")) {
    const url = new URL(body.dataset.live, location.href).href;
    if (window.SharedWorker) {
      const worker = new SharedWorker(body.dataset.worker, { name: url });
      worker.port.onmessage = (event) => receive(event.data);
      worker.port.postMessage({ url });
      addEventListener("pagehide", () => worker.port.postMessage({ close: true }));
      addEventListener("pageshow", (event) => { if (event.persisted) worker.port.postMessage({ url }); });
    } else {
      const source = new EventSource(url);
      source.onopen = () => receive({ state: "open" });
      source.onerror = () => receive({ state: "broken" });
      source.onmessage = (event) => receive({ state: "open", ...JSON.parse(event.data) });
    }
    document.addEventListener("visibilitychange", refresh);
    document.addEventListener("change", () => { refresh(); show(); });
    setInterval(() => { refresh(); show(); }, 1000);
    // Figures such as ages and rates change without an event.
    setInterval(() => { stale = true; refresh(); }, 15000);
  }
  // What is scrolled inside of the content stays so: logs and payloads, and tables on a narrow screen.
  const scrollable = () => ["table", "pre", ".scroll"].flatMap((what) => [...main.querySelectorAll(what)].map((e, i) => [what + i, e]));
  let scrolled = new Map();
  function scrollBack() {
    for (const [name, e] of scrolled.size ? scrollable() : []) {
      const [left, top] = scrolled.get(name) || [0, 0];
      e.scrollLeft = left;
      if (!logState.follow || !e.closest(".logbox[data-follow]")) e.scrollTop = top;
    }
    scrolled = new Map();
  }
  // The user may have begun to choose or write since the request.
  let kept = null;
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target !== main) return;
    if (held()) { event.detail.shouldSwap = false; stale = true; return; }
    scrolled = new Map(scrollable().filter(([, e]) => e.scrollLeft || e.scrollTop).map(([name, e]) => [name, [e.scrollLeft, e.scrollTop]]));
    const focus = document.activeElement;
    kept = focus !== main && main.contains(focus) ? placeOf(focus) : null;
  });
  main.addEventListener("click", (event) => { const details = event.target.closest?.("summary")?.parentElement; if (details) details.dataset.user = ""; });
  document.body.addEventListener("htmx:afterSwap", () => {
    times(); place(); show(); logs(); scrollBack(); charts();
    if (kept && !main.contains(document.activeElement)) (elementAt(kept) || main).focus({ preventScroll: true });
    kept = null;
  });
  document.body.addEventListener("htmx:responseError", (event) => { if (event.detail.xhr.status === 401) location.reload(); });

  // A search whose page is not full goes on by itself for some pages, one request after the other. Its rows
  // are those of several pages, so the page does not read itself again.
  async function search() {
    const full = 50, most = 40, found = () => main.querySelectorAll("table.tasks tbody a").length;
    let read = +main.querySelector("p.more[data-read]")?.dataset.read || 0;
    for (let n = 0; n < most && !document.hidden; n++) {
      const more = main.querySelector("p.more[data-read]"), next = more?.querySelector("a[rel=next]");
      if (!next || found() >= full || held() && !searching) return;
      searching = true;
      const answer = await fetch(next.href, { headers: { "HX-Request": "true", "HX-Target": "main" } }).catch(() => null);
      if (!answer?.ok) return;
      const part = new DOMParser().parseFromString(await answer.text(), "text/html"), rest = part.querySelector("p.more[data-read]");
      const rows = [...part.querySelectorAll("table.tasks tbody tr")].filter((row) => row.querySelector("a")), body = main.querySelector("table.tasks tbody");
      if (!rest || !body || !more.isConnected) return;
      if (rows.length && !found()) body.replaceChildren();
      body.append(...rows.map((row) => document.importNode(row, true)));
      read += +rest.dataset.read;
      const compared = rest.querySelector(".compared");
      if (compared) compared.textContent = rest.dataset.text.replace("{0}", read).replace("{1}", rest.dataset.total);
      more.replaceWith(document.importNode(rest, true));
      times();
      place();
      show();
    }
  }
  addEventListener("load", search);

  // The box completes the last word: the list has all that precedes it, and what the word may be.
  const box = document.getElementById("find"), offers = document.getElementById("words");
  const words = [...offers?.options || []].map((option) => option.value);
  let values = null;
  function complete() {
    let at = 0, quoted = false;
    for (let i = 0; i < box.value.length; i++) {
      if (box.value[i] === '"') quoted = !quoted;
      else if (box.value[i] === " " && !quoted) at = i + 1;
    }
    const before = box.value.slice(0, at), last = box.value.slice(at);
    const [, name, part] = last.match(/^(\w+):(.*)$/s) || [], named = Array.isArray(values?.[name]) && values[name].map((value) => `${name}:${value}`);
    const fits = named ? named.filter((word) => word.slice(name.length + 1).toLowerCase().includes(part.toLowerCase())) : words.filter((word) => word.startsWith(last));
    offers.replaceChildren(...fits.slice(0, 50).map((word) => Object.assign(document.createElement("option"), { value: before + word })));
  }
  box?.addEventListener("focus", async () => {
    if (values) return;
    values = {};
    const answer = await fetch(box.dataset.words, { headers: { "HX-Request": "true" } }).catch(() => null);
    values = answer?.ok ? await answer.json() : null;
    complete();
  });
  box?.addEventListener("input", complete);

  // Logs: the settings of the reader stay when the content of the page is replaced.
  const logState = { follow: true, wrap: true, find: "", copied: "" }; // copied: the address of the log that was copied last
  function marked(box) {
    const pre = box.querySelector("pre"), all = pre.textContent, find = logState.find.toLowerCase(), lower = all.toLowerCase(), parts = [];
    let at = 0, n = 0;
    for (let i = find ? lower.indexOf(find) : -1; i >= 0; i = lower.indexOf(find, i + find.length)) {
      const mark = document.createElement("mark");
      mark.textContent = all.slice(i, i + find.length);
      parts.push(all.slice(at, i), mark);
      at = i + find.length;
      n++;
    }
    pre.replaceChildren(...parts, all.slice(at));
    box.querySelector(".found").textContent = logState.copied === box.dataset.url ? box.querySelector(".copy").dataset.done : find ? String(n) : "";
  }
  function logEnd(box) {
    const pre = box.querySelector("pre");
    if ("follow" in box.dataset && logState.follow) pre.scrollTop = pre.scrollHeight;
  }
  function logs() {
    for (const box of document.querySelectorAll(".logbox")) {
      box.querySelector("pre").classList.toggle("long", !logState.wrap);
      box.querySelector(".wrap").checked = logState.wrap;
      box.querySelector(".logfind").value = logState.find;
      if (box.querySelector(".follow")) box.querySelector(".follow").checked = logState.follow;
      marked(box);
      logEnd(box);
    }
  }
  document.addEventListener("input", (event) => {
    const box = event.target.closest?.(".logbox");
    if (!box) return;
    if (event.target.matches(".wrap")) logState.wrap = event.target.checked;
    if (event.target.matches(".follow")) logState.follow = event.target.checked;
    if (event.target.matches(".logfind")) logState.find = event.target.value;
    logs();
    if (event.target.matches(".logfind")) box.querySelector("mark")?.scrollIntoView({ block: "nearest" });
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.(".copy");
    if (!button) return;
    const box = button.closest(".logbox"), said = () => {
      logState.copied = box.dataset.url;
      logs();
      setTimeout(() => { logState.copied = ""; logs(); }, 3000);
    };
    if (navigator.clipboard) { navigator.clipboard.writeText(box.querySelector("pre").textContent).then(said, () => {}); return; }
    getSelection().selectAllChildren(box.querySelector("pre")); // without TLS
    if (document.execCommand("copy")) said();
  });
  let following = false;
  setInterval(async () => {
    const box = document.querySelector(".logbox[data-follow]");
    if (!box || following || document.hidden || !logState.follow) return;
    following = true;
    try {
      const answer = await fetch(box.dataset.url, { headers: { "HX-Request": "true" } });
      const log = answer.ok ? await answer.text() : "", pre = box.querySelector("pre");
      if (answer.ok && answer.headers.get("Lts-Running") === "false") delete box.dataset.follow;
      if (log && log !== pre.textContent && getSelection().isCollapsed) {
        pre.textContent = log;
        marked(box);
        logEnd(box);
      }
    } catch { /* the next one may succeed */ }
    following = false;
  }, 1500);
  logs();

  // Charts: the element stays when the content of the page is replaced, and requests its points itself.
  let plots = [];
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colors = { in: "--run", out: "--good", failed: "--bad", waiting: "--warn", running: "--run", oldest: "--warn" };
  async function charts() {
    const box = document.getElementById("plots");
    if (!box || !window.uPlot || box.dataset.drawn || document.hidden) return;
    box.dataset.drawn = "1";
    const answer = await fetch(box.dataset.url, { headers: { "HX-Request": "true" } }).catch(() => null);
    if (!answer?.ok) { delete box.dataset.drawn; return; }
    const data = await answer.json();
    for (const plot of plots) plot.destroy();
    plots = [...box.querySelectorAll(".plot")].map((at) => {
      const series = at.dataset.series.split(" "), names = at.dataset.names.split("|"), axis = { stroke: () => color("--dim"), grid: { stroke: () => color("--line"), width: 1 }, ticks: { stroke: () => color("--line") } };
      return new uPlot({
        title: at.dataset.title, width: at.clientWidth, height: 200, legend: { live: false }, cursor: { drag: { x: false, y: false } },
        scales: { y: { range: (u, low, high) => [0, Math.max(high || 0, 1) * 1.1] } },
        axes: [{ ...axis, space: 64, values: (u, splits) => splits.map((ts) => shown(new Date(ts * 1000)).slice(11, data.t.length < 20 ? 19 : 16)) }, { ...axis, size: 55 }],
        series: [{}, ...series.map((name, i) => ({ label: names[i], stroke: () => color(colors[name]), width: 2, points: { show: data.t.length < 3 } }))],
      }, [data.t, ...series.map((name) => data[name])], at);
    });
  }
  const redraw = () => { for (const plot of plots) plot.redraw(); };
  new ResizeObserver(() => { for (const plot of plots) plot.setSize({ width: plot.root.parentElement.clientWidth, height: 200 }); }).observe(main);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  document.getElementById("theme").addEventListener("click", redraw);
  setInterval(() => { const box = document.getElementById("plots"); if (box) { delete box.dataset.drawn; charts(); } }, 15000);
  addEventListener("load", charts);

  // Keys: / finds, g and a letter goes to a page, j and k move, x chooses, Enter opens, a goes to the actions, ? lists the keys.
  // The cursor is a row. Its link has the focus. The cursor stays at its task when rows above it come and go.
  let cursor = null, index = -1, go = false;
  const opens = (row) => row.querySelector("a.open") || row.querySelector("a");
  const aRow = "tbody tr, .trouble li";
  const rows = () => [...main.querySelectorAll(aRow)].filter(opens);
  function place() {
    const all = rows(), row = elementAt(cursor)?.closest(aRow);
    all.forEach((one) => one.classList.toggle("at-cursor", one === row));
    if (row) index = all.indexOf(row);
    return row;
  }
  function move(by) {
    const all = rows(), next = all[Math.max(0, Math.min(index + by, all.length - 1))];
    if (!next) return;
    cursor = placeOf(opens(next));
    place();
    next.scrollIntoView({ block: "nearest" });
    opens(next).focus({ preventScroll: true });
  }
  main.addEventListener("focusin", (event) => {
    const row = event.target.closest(aRow);
    if (row && opens(row) && row !== place()) { cursor = placeOf(opens(row)); place(); }
  });
  function act() {
    const row = place(), chosen = main.querySelector("input[name=id][type=checkbox]:checked")?.form;
    const box = row?.querySelector("form") || chosen?.querySelector(".actions") || main.querySelector(".actions");
    box?.querySelector("input:not([type=hidden]), select, button, a")?.focus();
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("textarea, select, input:not([type=checkbox])")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const keys = document.getElementById("keys");
    if (keys?.open) return;
    if (go) {
      go = false;
      [...document.querySelectorAll("nav a")].find((a) => a.dataset.key === event.key)?.click();
      return;
    }
    switch (event.key) {
      case "/": event.preventDefault(); document.getElementById("find")?.focus(); break;
      case "?": keys?.showModal(); break;
      case "g": go = true; setTimeout(() => { go = false; }, 1500); break;
      case "j": move(1); break;
      case "k": move(-1); break;
      case "x": { const box = place()?.querySelector("input[name=id]"); if (box) { box.checked = !box.checked; show(); } break; }
      case "a": event.preventDefault(); act(); break;
      case "Enter": if (event.target === body) { const row = place(); if (row) opens(row).click(); } break;
    }
  });

  // After an action the focus returns to its element, or to the content if the element has gone.
  addEventListener("submit", (event) => {
    if (main.contains(event.target) && event.target.method === "post") sessionStorage.setItem("lts-focus", JSON.stringify({ at: Date.now(), here: location.href, place: event.submitter && placeOf(event.submitter) }));
  });
  const last = JSON.parse(sessionStorage.getItem("lts-focus") || "null");
  sessionStorage.removeItem("lts-focus");
  if (last && Date.now() - last.at < 60000 && !document.querySelector("[autofocus]")) ((last.here === location.href && elementAt(last.place)) || main).focus();
})();
