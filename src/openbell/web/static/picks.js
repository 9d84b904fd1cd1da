// Looks every few seconds how far the edition is, and draws the page again when that has changed.
(() => {
  const place = document.querySelector(".progress[data-status]");
  if (!place) return;
  const LOOK_MS = 3000, MOST_MS = 30000;
  let tag = "", pause = LOOK_MS;
  const look = async () => {
    try {
      const answer = await fetch("/api/weekly-picks", { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
      if (answer.status === 200) {
        tag = answer.headers.get("ETag") || "";
        const told = (await answer.json()).metadata;
        const shown = told.kind ? `${told.kind} ${told.edition_week}` : "";
        if ((told.status || "") !== place.dataset.status || shown !== place.dataset.edition) { location.reload(); return; }
      }
      pause = answer.ok || answer.status === 304 ? LOOK_MS : Math.min(pause * 2, MOST_MS);
    } catch { pause = Math.min(pause * 2, MOST_MS); }
    setTimeout(look, pause);
  };
  setTimeout(look, pause);
})();
