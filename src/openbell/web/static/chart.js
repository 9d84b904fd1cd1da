// The price chart of a symbol: candles and volume from the stored daily prices, the live price on the last candle.
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
    localization: { locale: "en-GB", dateFormat: "d MMM yyyy" },
  });
  const candles = chart.addSeries(CandlestickSeries, { priceLineStyle: 2, priceLineWidth: 1 });
  const volumes = chart.addSeries(HistogramSeries, { ...quiet, priceScaleId: "volume", priceFormat: { type: "volume" } });
  chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.84, bottom: 0 }, visible: false });
  candles.priceScale().applyOptions({ scaleMargins: { top: 0.06, bottom: 0.22 } });
  let rows = [];
  const date = (text, parts) => new Date(`${text}T00:00:00Z`).toLocaleDateString("en-GB", { timeZone: "UTC", ...parts });
  function tick(time, type) {
    return date(time, type === 0 ? { year: "numeric" } : type === 1 ? { month: "short" } : { day: "numeric", month: "short" });
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
    const days = +link.dataset.days;
    if (!rows.length) return;
    if (!days) return chart.timeScale().fitContent();
    const first = new Date(Date.parse(rows.at(-1)[0]) - days * 864e5).toISOString().slice(0, 10);
    const from = Math.max(0, rows.findIndex((r) => r[0] >= first));
    chart.timeScale().setVisibleLogicalRange({ from: from - 0.5, to: rows.length + 1 });
  }
  const bar = ([time, open, high, low, close]) => ({ time, open, high, low, close });
  const say = (r) => {
    const f = (v) => v.toLocaleString("en-GB", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
    legend.textContent = r ? `${date(r[0], { weekday: "short", day: "numeric", month: "short", year: "numeric" })}: open ${f(r[1])}, high ${f(r[2])}, low ${f(r[3])}, close ${f(r[4])}, volume ${r[5].toLocaleString("en-GB")}` : "";
  };
  async function load() {
    const answer = await fetch(`/api/v1/artifacts/eod-prices/${encodeURIComponent(symbol)}`, { cache: "no-cache" }).catch(() => null);
    if (!answer?.ok) return;
    const { value } = await answer.json();
    if (!value?.rows?.length) return;
    const first = !rows.length;
    waiting.hidden = true;
    rows = value.rows;
    candles.setData(rows.map(bar));
    volumes.setData(rows.map((r) => ({ time: r[0], value: r[5] })));
    live(document.querySelector(`[data-key="quote:${CSS.escape(symbol)}"]`));
    say(rows.at(-1));
    if (first) range(document.querySelector("[data-range][aria-current]"));
  }
  // The live price belongs to the last candle or to the next one. It says nothing about an earlier day, and far beyond
  // the last one it would hide the sessions between.
  function live(head) {
    const d = head?.dataset;
    if (!d?.day || !rows.length || d.day < rows.at(-1)[0]) return;
    const same = d.day === rows.at(-1)[0];
    if (Date.parse(d.day) - Date.parse(rows.at(-1)[0]) > GAP_MS) return;
    const today = [d.day, +d.open, +d.high, +d.low, +d.close, +(d.volume ?? 0)];
    if (same) rows[rows.length - 1] = today; else rows = [...rows, today];
    candles.update(bar(today));
    volumes.update({ time: d.day, value: today[5] });
    say(today);
  }
  document.querySelectorAll("[data-range]").forEach((a) => a.addEventListener("click", (e) => {
    e.preventDefault();
    history.replaceState(null, "", a.href);
    range(a);
  }));
  chart.subscribeCrosshairMove((at) => say(at.time ? rows[at.logical] : rows.at(-1)));
  addEventListener("openbell:swap", ({ detail }) => {
    if (detail.dataset.key === `eod-prices:${symbol}`) load();
    if (detail.dataset.key === `quote:${symbol}`) live(detail);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", dress);
  dress();
  load();
})();
