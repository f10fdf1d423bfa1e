// Draws the curves of the start page with the Chart.js that Unfold ships, in the colors of the theme.
(() => {
  "use strict";
  const DAY = 86400000;
  const drawn = [];

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // a gradient takes plain colors only: one pixel tells what a variable comes to
  const pixel = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const faded = (name, alpha) => {
    pixel.clearRect(0, 0, 1, 1);
    pixel.fillStyle = color(name);
    pixel.fillRect(0, 0, 1, 1);
    const [red, green, blue] = pixel.getImageData(0, 0, 1, 1).data;
    return `rgba(${red}, ${green}, ${blue}, ${alpha})`;
  };

  const iso = (day) => new Date(day * DAY).toISOString().slice(0, 10);

  // ticks at the starts of days, months or years, as many as there is room for
  const ticks = (axis) => {
    const span = axis.max - axis.min;
    const room = Math.max(3, Math.floor(axis.width / 80));
    const months = Math.ceil(span / 30.4 / room);
    const step = [1, 2, 3, 6, 12, 24, 60, 120].find((size) => size >= months) || 240;
    const found = [];
    if (span < 45) {
      const jump = Math.max(1, Math.ceil(span / room));
      for (let day = axis.min; day <= axis.max; day += jump) found.push({ value: day });
    } else {
      const first = new Date(axis.min * DAY);
      let month = first.getUTCFullYear() * 12 + first.getUTCMonth() + 1;
      month = Math.ceil(month / step) * step;
      for (; ; month += step) {
        const day = Date.UTC(Math.floor(month / 12), month % 12, 1) / DAY;
        if (day > axis.max) break;
        found.push({ value: day });
      }
    }
    axis.ticks = found;
  };

  const label = (span) => (day) => {
    const date = new Date(day * DAY);
    if (span < 45) return date.toLocaleDateString("en-US", { day: "numeric", month: "short", timeZone: "UTC" });
    if (date.getUTCMonth() === 0) return String(date.getUTCFullYear());
    return date.toLocaleDateString("en-US", { month: "short", timeZone: "UTC" });
  };

  const short = (value) => new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 }).format(value);
  const full = (value) => value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

  const crosshair = {
    id: "crosshair",
    afterDatasetsDraw(chart) {
      const active = chart.tooltip?.getActiveElements();
      if (!active?.length) return;
      const { ctx, chartArea } = chart;
      ctx.save();
      ctx.strokeStyle = color("--soft");
      ctx.globalAlpha = 0.5;
      ctx.lineWidth = 1;
      ctx.beginPath();
      ctx.moveTo(active[0].element.x, chartArea.top);
      ctx.lineTo(active[0].element.x, chartArea.bottom);
      ctx.stroke();
      ctx.restore();
    },
  };

  const options = (days, y, tip) => {
    const span = days[days.length - 1] - days[0];
    return {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      parsing: false,
      normalized: true,
      interaction: { mode: "index", intersect: false },
      layout: { padding: { top: 4 } },
      elements: { point: { radius: 0, hoverRadius: 4, hitRadius: 8 }, line: { borderWidth: 2 } },
      plugins: {
        legend: { display: false },
        tooltip: {
          displayColors: true,
          boxWidth: 8,
          boxHeight: 8,
          backgroundColor: color("--ink"),
          titleColor: color("--card"),
          bodyColor: color("--card"),
          padding: 10,
          cornerRadius: 8,
          callbacks: { title: (items) => iso(items[0].parsed.x), label: tip },
        },
      },
      scales: {
        x: {
          type: "linear",
          min: days[0],
          max: days[days.length - 1],
          border: { display: false },
          grid: { display: false },
          afterBuildTicks: ticks,
          ticks: { color: color("--soft"), callback: label(span), maxRotation: 0, autoSkip: false },
        },
        y: {
          position: "right",
          border: { display: false },
          grid: { color: color("--line"), drawTicks: false },
          // both charts leave the same room, so that their days stand below each other
          afterFit: (axis) => {
            axis.width = 60;
          },
          ticks: { color: color("--soft"), padding: 8, maxTicksLimit: 7, ...y.ticks },
          ...y.axis,
        },
      },
    };
  };

  const draw = (id, make) => {
    const canvas = document.getElementById(id);
    if (canvas) drawn.push(new Chart(canvas, make(canvas)));
  };

  const render = () => {
    while (drawn.length) drawn.pop().destroy();
    const source = document.getElementById("curves");
    if (!source || typeof Chart === "undefined") return;
    const { days, value, deposits, drawdown, currency } = JSON.parse(source.textContent);
    if (!days.length) return;
    Chart.defaults.font.family = "Inter, sans-serif";
    const line = (values) => values.map((y, index) => ({ x: days[index], y }));
    // a value that was never owed has no room below zero; a curve far above zero is shown close up
    const all = [...value, ...deposits];
    const low = all.reduce((a, b) => Math.min(a, b));
    const floor = low >= 0 && low < all.reduce((a, b) => Math.max(a, b)) / 2 ? { min: 0 } : {};
    draw("value-chart", (canvas) => {
      const shade = canvas.getContext("2d").createLinearGradient(0, 0, 0, canvas.parentElement.clientHeight);
      shade.addColorStop(0, faded("--value", 0.22));
      shade.addColorStop(1, faded("--value", 0));
      return {
        type: "line",
        plugins: [crosshair],
        data: {
          datasets: [
            { label: "Value", data: line(value), borderColor: color("--value"), backgroundColor: shade, fill: "start" },
            { label: "Net deposits", data: line(deposits), borderColor: color("--deposits"), backgroundColor: color("--deposits"), borderWidth: 1.5, borderDash: [5, 4], stepped: true },
          ],
        },
        options: options(days, { ticks: { callback: short }, axis: { grace: "5%", ...floor } }, (item) => ` ${item.dataset.label}: ${full(item.parsed.y)} ${currency}`),
      };
    });
    draw("drawdown-chart", () => ({
      type: "line",
      plugins: [crosshair],
      data: { datasets: [{ label: "Drawdown", data: line(drawdown), borderColor: color("--loss"), borderWidth: 1.5, backgroundColor: faded("--loss", 0.16), fill: "origin" }] },
      options: options(days, { ticks: { callback: (part) => `${part}%`, maxTicksLimit: 4 }, axis: { max: 0 } }, (item) => ` ${item.dataset.label}: ${item.parsed.y.toFixed(2)}%`),
    }));
  };

  document.addEventListener("DOMContentLoaded", () => {
    render();
    document.addEventListener("htmx:afterSettle", (event) => {
      if (event.target.id === "desk") render();
    });
    // the theme is a class of the root element: other colors, the same curves
    let dark = document.documentElement.classList.contains("dark");
    new MutationObserver(() => {
      const now = document.documentElement.classList.contains("dark");
      if (now !== dark) {
        dark = now;
        render();
      }
    }).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches("select[data-go]")) event.target.form.requestSubmit();
  });
})();
