// Keeps an open page true: one stream for all its keys, fragments swapped by key, ages that tick.
// The server draws every fragment; nothing here knows what a quote is.
(() => {
  "use strict";
  const $ = (q, from = document) => from.querySelector(q);
  const $$ = (q, from = document) => [...from.querySelectorAll(q)];
  // Beside the keys of the page itself it listens to those of every part that is open.
  const base = document.body.dataset.stream;
  const open_parts = () => $$("[data-watch]").filter((e) => !e.hidden && (e.tagName !== "DETAILS" || e.open));
  const address = () => {
    const to = base && base + open_parts().flatMap((e) => e.dataset.watch.split(" ")).map((w) => `&watch=${encodeURIComponent(w)}`).join("");
    return to?.includes("watch=") ? to : "";
  };
  const live = $(`[data-live=""]`);
  const HIDDEN_MS = 60_000, SAY_MS = 10_000;
  let source = null, heard = "", paused = false, hidden = 0, retry = 0, failures = 0, said = 0;
  const changed = new Map();

  // The stream: presence is the open connection, so a hidden or paused page gives it up.
  const show = (state) => {
    if (!live) return;
    live.hidden = false;
    live.classList.toggle("on", state === "Live");
    $("span", live).textContent = state;
    $("button", live).textContent = paused ? "Go live" : "Pause";
  };
  const away = (is) => {  // the database cannot be read: nothing on the page is known to be fresh
    document.body.classList.toggle("away", is);
    show(is ? "Database away" : "Live");
  };
  const close = (state) => { clearTimeout(retry); source?.close(); source = null; show(state); };
  const open = () => {
    const to = address();
    if (!to && source) return close("Nothing is open");
    if (!to || paused || document.hidden || (source && heard === to)) return;
    const before = source;  // listens on until its successor does, so that nothing is given up in between
    if (!before) show("Connecting");
    source = new EventSource(heard = to);
    source.onopen = () => { before?.close(); failures = 0; away(false); };
    source.addEventListener("state", (event) => away(JSON.parse(event.data).away));
    source.addEventListener("fragment", (event) => swap(JSON.parse(event.data)));
    source.onerror = () => {
      const wait = Math.min(30_000, 1000 * 2 ** failures++) * (0.5 + Math.random());
      before?.close();
      close("Reconnecting");
      retry = setTimeout(open, wait);
    };
  };
  live?.addEventListener("click", (e) => {
    if (!e.target.closest("button")) return;
    paused = !paused; paused ? close("Paused") : open();
  });
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hidden);
    if (document.hidden) hidden = setTimeout(() => close("Hidden"), HIDDEN_MS);
    else open();
  });
  let turning = 0;
  const reopen = () => { clearTimeout(turning); turning = setTimeout(open, 60); };
  addEventListener("openbell:parts", reopen);
  addEventListener("toggle", ({ target }) => {
    if (!target.dataset?.section) return;
    reopen();
    const at = new URL(location.href);
    at.searchParams.set("open", $$("details[data-section][open]").map((d) => d.dataset.section).join(","));
    history.replaceState(null, "", at);
  }, true);
  addEventListener("pagehide", () => close("Closed"));
  addEventListener("pageshow", open);

  // A fragment replaces its predecessor; an open panel, the focus and the selection stay.
  function swap({ key, html }) {
    const old = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (!old) return;
    const box = document.createElement("template");
    box.innerHTML = html;
    const fresh = box.content.firstElementChild;
    if ("alone" in old.dataset && !("alone" in fresh.dataset)) return location.reload();  // the parts around it come with it
    const held = old.contains(document.activeElement) ? $$("a, button, summary, [tabindex]", old).indexOf(document.activeElement) : -1;
    const folds = $$("details", fresh);
    $$("details", old).forEach((d, i) => folds[i]?.toggleAttribute("open", d.open));
    const wide = $$("[data-scroll]", fresh);
    if (old.classList.contains("selected")) fresh.classList.add("selected");
    tint(old, fresh);
    const shifted = $$("[data-scroll]", old).map((e) => e.scrollLeft);
    old.replaceWith(fresh);
    shifted.forEach((x, i) => { if (x && wide[i]) wide[i].scrollLeft = x; });
    started.set(fresh, performance.now());
    if (held >= 0) $$("a, button, summary, [tabindex]", fresh)[held]?.focus({ preventScroll: true });
    if (fresh.dataset.marketDay) markets(fresh.dataset.marketDay);
    dispatchEvent(new CustomEvent("openbell:swap", { detail: fresh }));
  }
  function markets(own) {  // each market of the page once; a newest trade only where no hours are known
    const all = $$("[data-market-day]").flatMap((e) => e.dataset.marketDay.split("|")).filter((t) => t && !t.startsWith("Newest"));
    const text = [...new Set(all.length ? all : [own])].join(" \u00b7 ");
    $$("[data-market]").forEach((p) => { if (p.textContent !== text) p.textContent = text; });
  }
  function tint(old, fresh) {
    const was = $("[data-figure]", old), is = $("[data-figure]", fresh);
    if (!was || !is || was.textContent === is.textContent) return;
    const figure = (e) => parseFloat(e.textContent.replaceAll(",", "").replace("\u2212", "-"));
    is.classList.add(figure(is) < figure(was) ? "tint-down" : "tint-up");
    changed.set(fresh.dataset.key.split(":")[1], is.textContent);
  }

  // Ages tick from the moment a fragment came, not from this device's clock.
  const started = new WeakMap(), loaded = performance.now();
  const words = (s) => s < 60 ? `${s}\u202fs` : s < 3600 ? `${s / 60 | 0}\u202fmin` : s < 86400 ? `${s / 3600 | 0}\u202fh` : `${s / 86400 | 0}\u202fd`;
  setInterval(() => {
    const now = performance.now();
    for (const e of $$("[data-age]")) {
      const since = started.get(e.closest("[data-key]")) ?? loaded;
      const text = words(Math.max(0, Math.floor(+e.dataset.age + (now - since) / 1000)));
      if (e.textContent !== text) e.textContent = text;
    }
    if (changed.size && now - said > SAY_MS) {
      said = now;
      const news = [...changed].slice(0, 5).map(([symbol, text]) => `${symbol} ${text}`).join(", ");
      $("[data-announce]").textContent = news;
      changed.clear();
    }
  }, 1000);

  // Keys: / searches, j and k move, Enter opens, Escape closes.
  const typing = (e) => e.target.closest("input, textarea, select") || e.ctrlKey || e.metaKey || e.altKey;
  addEventListener("keydown", (e) => {
    if (e.key === "Escape") {
      $$("details[data-panel][open]").forEach((d) => { d.open = false; });
      $$(".suggest").forEach((s) => s.remove());
      if (e.target.matches("input")) e.target.blur();
      return;
    }
    if (typing(e) || $("[data-console]")) return;  // the console has keys of its own
    if (e.key === "/") { e.preventDefault(); $("#q").focus(); $("#q").select(); }
    const rows = $$(".watch tbody tr[data-symbol], [data-rows] tr, .section");
    const at = rows.findIndex((r) => r.classList.contains("selected"));
    if ((e.key === "j" || e.key === "k") && rows.length) {
      const to = Math.min(Math.max(at + (e.key === "j" ? 1 : -1), 0), rows.length - 1);
      rows[at]?.classList.remove("selected");
      rows[to].classList.add("selected");
      $("a, summary", rows[to]).focus({ preventScroll: true });
      rows[to].scrollIntoView({ block: "nearest" });
    }
  });

  // Suggestions: the server answers with a small list; arrows choose, Enter takes.
  for (const input of $$("[data-suggest]")) {
    let timer = 0, asked = "", box = null, tries = 0;
    const drop = () => { box?.remove(); box = null; input.setAttribute("aria-expanded", "false"); input.removeAttribute("aria-activedescendant"); };
    const take = (symbol) => {
      drop();
      input.value = symbol;
      if (input.dataset.suggest === "open") location.href = `/symbol/${encodeURIComponent(symbol)}`;
      else if (input.dataset.suggest === "add") input.form.requestSubmit($("button:not([name])", input.form));
    };
    const ask = async () => {
      const q = input.value.trim();
      if (q.length < 1) return drop();
      asked = q;
      const answer = await fetch(input.dataset.from || "/suggest", { method: "POST", body: new URLSearchParams({ q }) }).catch(() => null);
      if (!answer?.ok || asked !== q || document.activeElement !== input) return;
      if (!box) { box = document.createElement("div"); box.className = "suggest"; input.after(box); }
      box.innerHTML = await answer.text();
      input.setAttribute("aria-expanded", "true");
      if ($("[data-again]", box) && tries++ < 5) timer = setTimeout(ask, 600);
    };
    for (const [name, value] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-controls": "suggestions", "aria-expanded": "false" })) input.setAttribute(name, value);
    input.addEventListener("input", () => { clearTimeout(timer); tries = 0; timer = setTimeout(ask, 150); });
    input.addEventListener("blur", () => setTimeout(drop, 150));
    input.parentElement.addEventListener("mousedown", (e) => { const li = e.target.closest("li[data-symbol]"); if (li) { e.preventDefault(); take(li.dataset.symbol); } });
    input.addEventListener("keydown", (e) => {
      const all = box ? $$("li", box) : [];
      const at = all.findIndex((li) => li.ariaSelected === "true");
      if (e.key === "Enter" && at >= 0) { e.preventDefault(); take(all[at].dataset.symbol); }
      if (!all.length || (e.key !== "ArrowDown" && e.key !== "ArrowUp")) return;
      e.preventDefault();
      const to = (at + (e.key === "ArrowDown" ? 1 : -1) + all.length) % all.length;
      all.forEach((li, i) => { li.ariaSelected = String(i === to); });
      input.setAttribute("aria-activedescendant", all[to].id);
    });
  }
  open();
})();
