// Keeps a page of the console true: its regions are fetched again by its own address, and exchanged where they differ.
(() => {
  "use strict";
  const $ = (q, from = document) => from.querySelector(q);
  const $$ = (q, from = document) => [...from.querySelectorAll(q)];
  const EVERY_MS = 4000, MOST_MS = 60_000;
  const pulse = $("[data-pulse]");
  if (!pulse) return;
  const said = $("span", pulse), button = $("button", pulse);
  let paused = sessionStorage.getItem("paused") === "1", timer = 0, failures = 0, asking = null;

  const show = (state) => {
    pulse.hidden = false;
    pulse.classList.toggle("off", state !== "Live");
    if (said.textContent !== state) said.textContent = state;
    button.textContent = paused ? "Go live" : "Pause";
  };
  const later = () => { clearTimeout(timer); timer = setTimeout(look, Math.min(MOST_MS, EVERY_MS * 2 ** failures)); };
  async function look() {
    clearTimeout(timer);
    if (paused || document.hidden || !$("[data-live]")) return;
    asking?.abort();
    asking = new AbortController();
    try {
      const answer = await fetch(location.href, { signal: asking.signal, headers: { Accept: "text/html" } });
      if (answer.redirected) return show("Signed out: reload");
      if (!answer.ok) throw new Error(answer.status);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!paused) for (const old of $$("[data-live]")) swap(old, $(`[data-live="${CSS.escape(old.dataset.live)}"]`, fresh));
      failures = 0;
      show("Live");
    } catch (error) {
      if (error.name === "AbortError") return;
      failures++;
      show("Trying again");
    }
    later();
  }
  const turn = () => {
    paused = !paused;
    sessionStorage.setItem("paused", paused ? "1" : "0");
    asking?.abort();
    show(paused ? "Paused" : "Live");
    if (!paused) look();
  };
  button.addEventListener("click", turn);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });

  // What somebody types, chooses or has opened is not taken from under their hands.
  const busy = (e) => {
    const at = document.activeElement;
    return (e.contains(at) && at.matches("input, select, textarea"))
      || $$("input, textarea", e).some((i) => /^(checkbox|radio)$/.test(i.type) ? i.checked !== i.defaultChecked : i.value !== i.defaultValue)
      || $$("select", e).some((s) => [...s.options].some((o) => o.defaultSelected && !o.selected));
  };
  const TARGETS = "a, button, summary, [tabindex]";
  const mark = (row) => row?.dataset.row ?? $("a[href]", row ?? document.createElement("p"))?.getAttribute("href") ?? row?.rowIndex;
  function swap(old, fresh) {
    if (!fresh || old.innerHTML === fresh.innerHTML || busy(old)) return;
    fresh = document.importNode(fresh, true);
    const at = document.activeElement, before = $("tr.selected", old), chosen = mark(before);
    const home = old.contains(at) ? at.closest("[data-rows] tbody tr") : null, own = mark(home);  // a button of another row acts on another thing
    const held = old.contains(at) ? $$(TARGETS, home ?? old).indexOf(at) : null;
    const shifted = $$(".scroll", old).map((e) => e.scrollLeft);
    $$("details", old).forEach((d, i) => $$("details", fresh)[i]?.toggleAttribute("open", d.open));
    const was = new Map($$("[data-figure]", old).map((e) => [e.dataset.figure, e.textContent]));
    old.replaceWith(fresh);
    $$(".scroll", fresh).forEach((e, i) => { if (shifted[i]) e.scrollLeft = shifted[i]; });
    const found = (name) => name === undefined ? null : $$("[data-rows] tbody tr", fresh).find((r) => mark(r) === name);
    found(chosen)?.classList.add("selected");
    const row = found(own);
    if (held !== null) (home ? row && ($$(TARGETS, row)[held] ?? door(row)) : $$(TARGETS, fresh)[held])?.focus({ preventScroll: true });
    for (const e of $$("[data-figure]", fresh)) if (was.has(e.dataset.figure) && was.get(e.dataset.figure) !== e.textContent) e.classList.add("tinted");
  }

  // Keys: j and k walk the rows, Enter opens, / goes to the filter, p pauses, Escape leaves, ? shows the keys.
  const keys = $("[data-keys]");
  addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const typing = e.target.closest("input:not([type=checkbox], [type=radio]), textarea, select");
    if (e.key === "Escape") {
      if (typing) return e.target.blur();
      const open = $$(".room details[open]");
      open.forEach((d) => { d.open = false; });
      const row = $("tr.selected");
      if (row) { row.classList.remove("selected"); document.activeElement.blur(); }
      else if (!open.length && keys && !keys.hidden) keys.hidden = true;
      return;
    }
    if (typing) return;
    if (e.key === "/") {
      const field = $("[data-filter]") ?? $("#q");
      e.preventDefault();
      field.focus();
      field.select?.();
    } else if (e.key === "p") turn();
    else if (e.key === "?" && keys) { keys.hidden = !keys.hidden; keys.scrollIntoView({ block: "nearest" }); }
    else if (e.key === "j" || e.key === "k") walk(e.key === "j" ? 1 : -1);
  });
  const door = (row) => $("a[href]", row) ?? Object.assign(row, { tabIndex: -1 });  // what Enter opens; never what acts
  function walk(by) {
    const rows = $$("table[data-rows] tbody tr").filter((r) => r.offsetParent !== null);
    if (!rows.length) return;
    const at = rows.findIndex((r) => r.classList.contains("selected"));
    const to = Math.min(Math.max(at + by, 0), rows.length - 1);
    rows[at]?.classList.remove("selected");
    rows[to].classList.add("selected");
    door(rows[to]).focus({ preventScroll: true });
    rows[to].scrollIntoView({ block: "nearest" });
  }

  show(paused ? "Paused" : "Live");
  later();
})();
