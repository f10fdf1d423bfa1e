// Keeps the quotes on a page as they are in the market: an EventSource tells of each one, and comes back by itself when it is cut off.
addEventListener("DOMContentLoaded", () => {
  "use strict";
  const rows = new Map();
  document.querySelectorAll("[data-live]").forEach((row) => rows.set(row.dataset.live, row));
  const table = document.querySelector("[data-live-from]");
  if (!table || !rows.size || !window.EventSource) return;

  const stream = new EventSource(table.dataset.liveFrom, { withCredentials: true });
  stream.addEventListener("quote", (event) => {
    const quote = JSON.parse(event.data);
    const row = rows.get(quote.instrument);
    if (!row) return;
    for (const name of ["bid", "ask"]) row.querySelector(`[data-cell="${name}"]`).textContent = quote[name];
    const at = row.querySelector('[data-cell="timestamp"]');
    at.textContent = `${quote.timestamp.slice(0, 19).replace("T", " ")}Z`;
    at.title = quote.timestamp;
  });
  stream.addEventListener("end", () => stream.close());
  addEventListener("pagehide", () => stream.close());
});
