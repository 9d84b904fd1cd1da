// The price chart of a symbol: candles and volume by day or by five minutes, the live price on the last daily candle.
// All times are seconds of a clock without zone: the exchange's own.
(() => {
  "use strict";
  const place = document.querySelector("[data-chart]");
  const legend = document.querySelector("[data-legend]");
  if (!place || !window.LightweightCharts) return;
  const { createChart, CandlestickSeries, HistogramSeries } = window.LightweightCharts;
  const symbol = place.dataset.chart;
  const GAP_MS = 4 * 864e5;  // a long weekend
  const quiet = { lastValueVisible: false, priceLineVisible: false };
  const waiting = place.querySelector("p");
  const chart = createChart(place, {
    autoSize: true,
    layout: { attributionLogo: true, background: { color: "transparent" } },
    timeScale: { rightOffset: 2, minBarSpacing: 0.1, tickMarkFormatter: tick },
    handleScroll: { vertTouchDrag: false },
    localization: { locale: "en-GB", timeFormatter: (time) => name(time) },
  });
  const candles = chart.addSeries(CandlestickSeries, { priceLineStyle: 2, priceLineWidth: 1 });
  const volumes = chart.addSeries(HistogramSeries, { ...quiet, priceScaleId: "volume", priceFormat: { type: "volume" } });
  chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.84, bottom: 0 }, visible: false });
  candles.priceScale().applyOptions({ scaleMargins: { top: 0.06, bottom: 0.22 } });
  let rows = [], daily = [], within = [], shown = "";
  const at = (text) => Date.parse(text.length > 10 ? `${text.slice(0, 19)}Z` : `${text}T00:00:00Z`) / 1000;
  const date = (time, parts) => new Date(time * 1000).toLocaleString("en-GB", { timeZone: "UTC", ...parts });
  const day = { day: "numeric", month: "short" }, clock = { hour: "2-digit", minute: "2-digit" };
  const current = () => document.querySelector("[data-range][aria-current]");
  const name = (time) => date(time, { weekday: "short", ...day, ...(shown === "within" ? clock : { year: "numeric" }) });
  function tick(time, type) {
    return date(time, type === 0 ? { year: "numeric" } : type === 1 ? { month: "short" } : type === 2 ? day : clock);
  }

  function dress() {
    const css = getComputedStyle(document.documentElement);
    const ink = (name) => css.getPropertyValue(name).trim();
    chart.applyOptions({
      layout: { textColor: ink("--soft"), fontSize: 13, fontFamily: getComputedStyle(document.body).fontFamily },
      grid: { vertLines: { visible: false }, horzLines: { color: ink("--rule") } },
      rightPriceScale: { borderVisible: false },
      timeScale: { borderColor: ink("--rule") },
      crosshair: { vertLine: { color: ink("--firm"), labelBackgroundColor: ink("--soft") }, horzLine: { color: ink("--firm"), labelBackgroundColor: ink("--soft") } },
    });
    // A gain is hollow and a loss is filled, so that colour is not alone in telling them apart.
    const [gain, loss, paper] = [ink("--gain"), ink("--loss"), ink("--paper")];
    candles.applyOptions({ upColor: paper, downColor: loss, borderUpColor: gain, borderDownColor: loss, wickUpColor: gain, wickDownColor: loss, priceLineColor: ink("--brass") });
    volumes.applyOptions({ color: ink("--rule") });
  }
  function range(link) {
    document.querySelectorAll("[data-range]").forEach((a) => a === link ? a.setAttribute("aria-current", "true") : a.removeAttribute("aria-current"));
    const sessions = +(link.dataset.sessions ?? 0), kind = sessions ? "within" : "daily";
    document.querySelectorAll("[data-within]").forEach((e) => { e.hidden = (e.dataset.within === "yes") !== !!sessions; });
    dispatchEvent(new CustomEvent("openbell:parts"));
    if (sessions && !within.length) return load("intraday-prices");
    draw(kind, sessions);
    if (!rows.length) return;
    if (sessions || !+link.dataset.days) return chart.timeScale().fitContent();
    const first = at(rows.at(-1)[0]) - +link.dataset.days * 86400;
    const from = Math.max(0, rows.findIndex((r) => at(r[0]) >= first));
    chart.timeScale().setVisibleLogicalRange({ from: from - 0.5, to: rows.length + 1 });
  }
  function draw(kind, sessions) {
    const last = [...new Set(within.map((r) => r[0].slice(0, 10)))].slice(-sessions);
    rows = kind === "daily" ? daily : within.filter((r) => last.includes(r[0].slice(0, 10)));
    shown = kind;
    waiting.hidden = rows.length > 0;
    chart.applyOptions({ timeScale: { timeVisible: kind === "within" } });
    candles.setData(rows.map(bar));
    volumes.setData(rows.map((r) => ({ time: at(r[0]), value: r[5] })));
    if (kind === "daily") live(document.querySelector(`[data-key="quote:${CSS.escape(symbol)}"]`));
    say(rows.at(-1));
  }
  const bar = ([time, open, high, low, close]) => ({ time: at(time), open, high, low, close });
  const say = (r) => {
    const f = (v) => v.toLocaleString("en-GB", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
    legend.textContent = r ? `${name(at(r[0]))}: open ${f(r[1])}, high ${f(r[2])}, low ${f(r[3])}, close ${f(r[4])}, volume ${r[5].toLocaleString("en-GB")}` : "";
  };
  async function load(product) {
    const place = document.querySelector(`[data-key="${product}:${CSS.escape(symbol)}"]`);
    if (!+place?.dataset.version) return draw(current()?.dataset.sessions ? "within" : "daily", 1);  // nothing is known yet
    const answer = await fetch(`/api/v1/artifacts/${product}/${encodeURIComponent(symbol)}`, { cache: "no-cache" }).catch(() => null);
    const value = answer?.ok ? (await answer.json()).value : null;
    const kind = product === "eod-prices" ? "daily" : "within", link = current();
    const first = !(kind === "daily" ? daily : within).length;
    if (value?.rows?.length) { if (kind === "daily") daily = value.rows; else within = value.rows; }
    if ((kind === "within") !== !!link.dataset.sessions) return;
    if (first && value?.rows?.length) range(link); else draw(kind, +(link.dataset.sessions ?? 0));
  }
  // The live price belongs to the last candle or to the next one. It says nothing about an earlier day, and far beyond
  // the last one it would hide the sessions between.
  function live(head) {
    const d = head?.dataset;
    if (shown !== "daily" || !d?.day || !rows.length || d.day < rows.at(-1)[0]) return;
    const same = d.day === rows.at(-1)[0];
    if (Date.parse(d.day) - Date.parse(rows.at(-1)[0]) > GAP_MS) return;
    const today = [d.day, +d.open, +d.high, +d.low, +d.close, +(d.volume ?? 0)];
    rows = same ? [...rows.slice(0, -1), today] : [...rows, today];
    candles.update(bar(today));
    volumes.update({ time: at(d.day), value: today[5] });
    say(today);
  }
  document.querySelectorAll("[data-range]").forEach((a) => a.addEventListener("click", (e) => {
    e.preventDefault();
    const to = new URL(location.href);
    to.searchParams.set("range", a.dataset.range);
    history.replaceState(null, "", to);
    range(a);
  }));
  chart.subscribeCrosshairMove((place) => say(place.time ? rows[place.logical] : rows.at(-1)));
  addEventListener("openbell:swap", ({ detail }) => {
    for (const product of ["eod-prices", "intraday-prices"]) if (detail.dataset.key === `${product}:${symbol}`) load(product);
    if (detail.dataset.key === `quote:${symbol}`) live(detail);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", dress);
  dress();
  load("eod-prices");
  if (current()?.dataset.sessions) load("intraday-prices");
})();
