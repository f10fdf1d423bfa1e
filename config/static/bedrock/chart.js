// Draws an instrument's bars with the lightweight-charts kept in vendor/, in the colors of the theme.
(() => {
  "use strict";
  const DAY = 86400;
  const RANGES = {
    "1d": [["3M", 91], ["1Y", 365], ["5Y", 1826], ["All", 0]],
    "1h": [["5D", 7], ["1M", 30], ["6M", 182], ["All", 0]],
    "15m": [["1D", 1], ["5D", 7], ["1M", 30], ["All", 0]],
    "5m": [["1D", 1], ["5D", 7], ["1M", 30], ["All", 0]],
    "1m": [["1D", 1], ["5D", 7], ["1M", 30], ["All", 0]],
  };
  const MOST = 40000; // bars that "All" goes back to; older ones come as the chart is moved

  const pixel = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const plainColor = (text, alpha = 1) => {
    pixel.clearRect(0, 0, 1, 1);
    pixel.fillStyle = text;
    pixel.fillRect(0, 0, 1, 1);
    const [red, green, blue] = pixel.getImageData(0, 0, 1, 1).data;
    return `rgba(${red}, ${green}, ${blue}, ${alpha})`;
  };
  // the chart takes plain colors only, and a variable may hold a mixture: an element tells what it comes to
  const probe = document.createElement("i");
  const color = (name, alpha) => {
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const text = getComputedStyle(probe).color;
    probe.remove();
    return plainColor(text, alpha);
  };

  const priceText = (price) => {
    const digits = Math.abs(price) >= 1 ? 4 : 10;
    return price.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: digits });
  };
  const volumeText = (volume) => (volume === null ? "–" : volume.toLocaleString("en-US", { maximumFractionDigits: 4 }));
  const timeText = (time, daily) => new Date(time * 1000).toISOString().slice(0, daily ? 10 : 16).replace("T", " ");
  const percentText = (part) => `${part >= 0 ? "+" : "−"}${Math.abs(part * 100).toFixed(2)}%`;

  const start = (panel) => {
    const find = (name) => panel.querySelector(`[data-${name}]`);
    const state = { timeframe: find("timeframe").dataset.timeframe, kind: "candles", days: 365, bars: [], more: false, asked: 0, loading: false };
    const library = window.LightweightCharts;
    const plot = find("plot");
    const chart = library.createChart(plot, {
      autoSize: true,
      localization: { locale: "en-US", priceFormatter: priceText },
      rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.06, bottom: 0.26 } },
      timeScale: { borderVisible: false, rightOffset: 2, minBarSpacing: 0.05 },
      handleScroll: { mouseWheel: false, vertTouchDrag: false }, // the page keeps its own scrolling
      handleScale: { mouseWheel: false },
    });
    const volume = chart.addSeries(library.HistogramSeries, { priceScaleId: "volume", priceFormat: { type: "volume" }, lastValueVisible: false, priceLineVisible: false });
    chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.8, bottom: 0 } });
    let prices = null;

    const daily = () => state.timeframe === "1d";
    const byTime = () => new Map(state.bars.map((bar, index) => [bar[0], index]));
    let places = new Map();

    const paint = () => {
      chart.applyOptions({
        layout: { background: { color: "transparent" }, textColor: color("--soft"), fontFamily: "Inter, sans-serif", attributionLogo: true },
        grid: { vertLines: { visible: false }, horzLines: { color: color("--line") } },
        crosshair: { vertLine: { color: color("--soft"), labelBackgroundColor: color("--value") }, horzLine: { color: color("--soft"), labelBackgroundColor: color("--value") } },
      });
      if (prices) chart.removeSeries(prices);
      const [up, down, line] = [color("--gain"), color("--loss"), color("--value")];
      prices = state.kind === "candles"
        ? chart.addSeries(library.CandlestickSeries, { upColor: up, downColor: down, wickUpColor: up, wickDownColor: down, borderVisible: false })
        : chart.addSeries(library.AreaSeries, { lineColor: line, lineWidth: 2, topColor: color("--value", 0.22), bottomColor: color("--value", 0) });
      const values = state.bars.flatMap((bar) => bar.slice(1, 5));
      const least = values.reduce((found, value) => (value && Math.abs(value) < found ? Math.abs(value) : found), Infinity);
      const step = least < 0.01 ? 1e-8 : least < 1 ? 1e-4 : 0.01;
      prices.applyOptions({ priceFormat: { type: "custom", formatter: priceText, minMove: step } });
      prices.setData(state.bars.map(([time, open, high, low, close]) => (state.kind === "candles" ? { time, open, high, low, close } : { time, value: close })));
      const [rising, falling] = [color("--gain", 0.4), color("--loss", 0.4)];
      volume.setData(state.bars.filter((bar) => bar[5] !== null).map(([time, open, , , close, traded]) => ({ time, value: traded, color: close < open ? falling : rising })));
      chart.timeScale().applyOptions({ timeVisible: !daily(), secondsVisible: false });
      places = byTime();
      legend(state.bars.length - 1);
    };

    const legend = (index) => {
      const bar = state.bars[index];
      const target = find("legend");
      target.replaceChildren();
      if (!bar) return;
      const [time, open, high, low, close, traded] = bar;
      const before = index > 0 ? state.bars[index - 1][4] : open;
      const change = document.createElement("span");
      change.className = close < before ? "down" : "up";
      change.textContent = before ? percentText(close / before - 1) : "";
      const figures = [["O", open], ["H", high], ["L", low], ["C", close]].map(([name, price]) => `${name} ${priceText(price)}`);
      target.append(`${timeText(time, daily())}  ${figures.join("  ")}  `, change, `  Vol ${volumeText(traded)}`);
    };

    const list = () => {
      const body = find("rows");
      const rows = state.bars.slice(-Number(body.dataset.listed)).reverse().map(([time, ...figures]) => {
        const row = document.createElement("tr");
        [timeText(time, daily()), ...figures.slice(0, 4).map(priceText), volumeText(figures[4])].forEach((text, index) => {
          const cell = document.createElement("td");
          cell.className = index ? "right" : "nowrap";
          cell.textContent = text;
          row.append(cell);
        });
        return row;
      });
      body.replaceChildren(...rows);
    };

    const tell = (text) => {
      find("note").textContent = text;
    };

    const fetchBars = async (before) => {
      const query = new URLSearchParams({ timeframe: state.timeframe, adjusted: find("adjusted").checked ? "1" : "0" });
      if (before) query.set("before", before);
      const answer = await fetch(`${panel.dataset.chart}?${query}`, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(`${answer.status}`);
      return answer.json();
    };

    const show = () => {
      if (!state.bars.length) return;
      const last = state.bars[state.bars.length - 1][0];
      const from = state.days ? state.bars.findIndex((bar) => bar[0] >= last - state.days * DAY) : 0;
      chart.timeScale().setVisibleLogicalRange({ from: from - 0.5, to: state.bars.length + 1 });
    };

    // Whatever was asked last wins: an answer that comes late is not for this picture any more.
    const load = async () => {
      const mine = ++state.asked;
      state.loading = true;
      tell("Loading …");
      try {
        let { bars, more } = await fetchBars();
        const enough = () => !more || !bars.length || bars.length >= MOST || (state.days && bars[bars.length - 1][0] - bars[0][0] >= state.days * DAY);
        while (mine === state.asked && !enough()) {
          const older = await fetchBars(bars[0][0]);
          bars = older.bars.concat(bars);
          more = older.more;
        }
        if (mine !== state.asked) return;
        Object.assign(state, { bars, more });
        paint();
        list();
        show();
        tell(bars.length ? "Times are UTC. Drag to move, pinch or drag the axis to zoom." : "There are no such bars.");
      } catch {
        if (mine === state.asked) tell("The bars could not be loaded; try again in a moment.");
      } finally {
        if (mine === state.asked) state.loading = false;
      }
    };

    const older = async (range) => {
      if (!range || range.from > 10 || !state.more || state.loading) return;
      const mine = state.asked;
      state.loading = true;
      try {
        const { bars, more } = await fetchBars(state.bars[0][0]);
        if (mine !== state.asked) return;
        const seen = chart.timeScale().getVisibleLogicalRange();
        Object.assign(state, { bars: bars.concat(state.bars), more });
        paint();
        if (seen) chart.timeScale().setVisibleLogicalRange({ from: seen.from + bars.length, to: seen.to + bars.length });
      } catch {
        tell("Older bars could not be loaded; try again in a moment.");
      } finally {
        if (mine === state.asked) state.loading = false;
      }
    };

    const press = (button) => {
      button.parentElement.querySelectorAll("button").forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
    };

    const offerRanges = () => {
      const offered = RANGES[state.timeframe];
      state.days = offered[1][1];
      find("ranges").replaceChildren(...offered.map(([name, days], index) => {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = name;
        button.dataset.days = days;
        button.setAttribute("aria-pressed", String(index === 1));
        return button;
      }));
    };

    panel.addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (!button) return;
      const { timeframe, kind, days } = button.dataset;
      press(button);
      if (timeframe) {
        state.timeframe = timeframe;
        offerRanges();
        load();
      } else if (kind) {
        state.kind = kind;
        const seen = chart.timeScale().getVisibleLogicalRange();
        paint();
        if (seen) chart.timeScale().setVisibleLogicalRange(seen);
      } else if (days !== undefined) {
        state.days = Number(days);
        load();
      }
    });
    find("adjusted").addEventListener("change", load);
    chart.subscribeCrosshairMove(({ time }) => legend(time === undefined ? state.bars.length - 1 : places.get(time)));
    chart.timeScale().subscribeVisibleLogicalRangeChange(older);
    // the theme is a class of the root element: other colors, the same bars
    let dark = document.documentElement.classList.contains("dark");
    new MutationObserver(() => {
      const now = document.documentElement.classList.contains("dark");
      if (now !== dark) {
        dark = now;
        const seen = chart.timeScale().getVisibleLogicalRange();
        paint();
        if (seen) chart.timeScale().setVisibleLogicalRange(seen);
      }
    }).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
    offerRanges();
    load();
  };

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("[data-chart]").forEach(start);
  });
})();
