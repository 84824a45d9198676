// The charts: Plotly is unpacked once, each chart is drawn when it comes near the screen, and drawn again when a control changes.
(() => {
  const data = JSON.parse(document.getElementById("report-data").textContent);
  const plots = [...document.querySelectorAll(".plot")];
  const hidden = new Set(), drawn = new Set(), hiddenVariants = new Set();
  const compare = Object.fromEntries([...document.querySelectorAll("select.reference")].map((s) => [s.dataset.chart, s.value]));
  const VARIANTS = ["solid", "dot", "dash", "dashdot", "longdash", "longdashdot"];
  const EVENTS = { interrupted: "triangle-down", refused: "x", guard: "diamond" };
  let smoothing = 0.04, paper = data.shown, ready = false;

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const slot = (style) => (style > 0 ? ((style - 1) % data.symbols.length) + 1 : 0);
  const color = (style) => css(style > 0 ? `--s${slot(style)}` : "--base");
  const dash = (style) => (style > 0 ? data.dashes[slot(style) - 1] : data.baseDashes[-style % data.baseDashes.length]);
  const symbol = (style) => (style > 0 ? data.symbols[slot(style) - 1] : "circle-open");
  const faint = (hex, alpha) => `rgba(${[1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)).join(",")},${alpha})`;
  // Plotly reads a subset of HTML in its texts.
  const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const known = (value) => value !== null && value !== undefined;

  const smooth = (values, share) => {
    const half = Math.min(60, Math.round((values.length * share) / 2));
    if (half < 1) return values;
    return values.map((value, i) => {
      if (!known(value)) return null;
      // As far to the left as to the right, so that the ends are not drawn towards the middle; but never over a few values alone.
      const reach = Math.max(Math.min(half, i, values.length - 1 - i), Math.ceil(half / 3));
      const near = values.slice(Math.max(0, i - reach), i + reach + 1).filter(known);
      return near.reduce((sum, v) => sum + v, 0) / near.length;
    });
  };

  const band = (x, series, ink, among) => [
    { x, y: series.high, mode: "lines", line: { width: 0 }, hoverinfo: "skip" },
    { x, y: series.low, mode: "lines", line: { width: 0 }, fill: "tonexty", fillcolor: faint(ink, among > 3 ? 0.08 : 0.13), hoverinfo: "skip" },
  ];
  const shown = (series) => series.filter((one) => !hidden.has(one.style));
  const line = (x, one, suffix) => ({
    x, y: one.y, name: plain(one.name), mode: "lines+markers",
    line: { color: color(one.style), width: 2.5, dash: dash(one.style) }, marker: { size: 8, symbol: symbol(one.style), color: color(one.style) },
    customdata: one.low.map((low, i) => [low, one.high[i]]),
    hovertemplate: `%{y:.1f}${suffix} [%{customdata[0]:.1f}, %{customdata[1]:.1f}]`,
  });
  const logAxis = (ks) => {
    const low = Math.log10(ks[0]), high = Math.log10(ks[ks.length - 1]), edge = Math.max(0.04 * (high - low), 0.05);
    return { type: "log", tickvals: ks, ticktext: ks.map(String), range: [low - edge, high + edge], title: { text: "k (tries), log scale" } };
  };

  function curve(chart) {
    const series = shown(chart.series);
    const traces = series.flatMap((one) => band(chart.ks, one, color(one.style), series.length));
    const ks = [...chart.ks];
    const published = data.paper.find((one) => one.key === paper);
    if (published) {
      Object.entries(published.methods).forEach(([method, y], i) => traces.push({
        x: published.ks, y, name: `paper: ${plain(method)}`, mode: "lines+text", line: { color: css("--quiet"), width: 1.2, dash: VARIANTS[i % VARIANTS.length] },
        text: y.map((_, j) => (j === Math.min(i, y.length - 1) ? plain(method) : "")), textposition: "top center", textfont: { size: 10, color: css("--quiet") },
        hovertemplate: "%{y:.1f}",
      }));
      for (const k of published.ks) if (!ks.includes(k)) ks.push(k);
      ks.sort((a, b) => a - b);
    }
    traces.push(...series.map((one) => line(chart.ks, one, "")));
    return { traces, layout: { xaxis: logAxis(ks), yaxis: { title: { text: "pass@k, %" }, rangemode: "normal" } } };
  }

  function difference(chart, id) {
    const series = shown(chart.references[compare[id]]);
    const traces = series.flatMap((one) => band(chart.ks, one, color(one.style), series.length));
    traces.push(...series.map((one) => line(chart.ks, { ...one, name: one.paired ? one.name : `${one.name} (unpaired)` }, " points")));
    for (const one of series) {
      if (!one.crossing) continue;
      const [k, low, high] = one.crossing;
      traces.push({
        x: [k], y: [0], mode: "markers", marker: { symbol: "x", size: 11, color: color(one.style), line: { color: css("--card"), width: 1.5 } },
        error_x: { type: "data", symmetric: false, array: [high - k], arrayminus: [k - low], color: color(one.style), thickness: 1.5, width: 5 },
        hovertemplate: `${plain(one.name)}: the curves cross at k=%{x:.1f} [${low}, ${high}]<extra></extra>`,
      });
    }
    const zero = { type: "line", xref: "paper", x0: 0, x1: 1, y0: 0, y1: 0, line: { color: css("--quiet"), width: 1.5 } };
    return { traces, layout: { xaxis: logAxis(chart.ks), yaxis: { title: { text: "percentage points" } }, shapes: [zero] } };
  }

  function evaluations(chart) {
    const traces = shown(chart.series).map((one) => ({
      ...line(one.x, one, "%"), line: { color: color(one.style), width: 2, dash: VARIANTS[one.dash] },
      error_y: { type: "data", symmetric: false, array: one.high.map((h, i) => (known(h) ? h - one.y[i] : 0)), arrayminus: one.low.map((l, i) => (known(l) ? one.y[i] - l : 0)), thickness: 1, width: 3, color: color(one.style) },
    }));
    return { traces, layout: { xaxis: { title: { text: "step" } }, yaxis: {} } };
  }

  function metric(chart) {
    const runs = data.runs.filter((run) => !hidden.has(run.style));
    const traces = [], lines = runs.length * chart.columns.length;
    for (const run of runs) {
      chart.columns.forEach(([column, label], variant) => {
        const raw = run.columns[column];
        if (!raw || hiddenVariants.has(column)) return;
        // One run alone: the colour tells the columns apart as well.
        const ink = color(data.runs.length === 1 ? variant + 1 : run.style);
        const smoothed = smooth(raw, smoothing), isSmoothed = smoothed !== raw, sparse = raw.filter(known).length < raw.length / 2;
        const name = data.runs.length === 1 ? label : chart.columns.length === 1 ? run.name : `${run.name}, ${label}`;
        if (isSmoothed) traces.push({ x: run.steps, y: raw, mode: "lines", line: { color: faint(ink, lines > 6 ? 0.12 : 0.22), width: 1 }, connectgaps: sparse, hoverinfo: "skip" });
        traces.push({
          x: run.steps, y: smoothed, name: plain(name), mode: "lines+markers", connectgaps: sparse,
          line: { color: ink, width: variant ? 1.6 : 2.2, dash: VARIANTS[variant % VARIANTS.length] },
          marker: { symbol: symbol(run.style), size: 6, maxdisplayed: 6 }, hovertemplate: "%{y:.4g}",
        });
      });
      traces.push(...marks(run));
    }
    const over = { overlaying: "y", range: [0, 1], visible: false, fixedrange: true };
    const positive = traces.every((trace) => trace.yaxis || trace.y.every((value) => !known(value) || value >= 0));
    return { traces, layout: { xaxis: { zeroline: false }, yaxis: { rangemode: positive ? "nonnegative" : "normal" }, yaxis2: over } };
  }

  function marks(run) {
    const ink = color(run.style);
    const events = run.events.filter(([step]) => step > 0);
    const traces = [];
    if (run.checkpoints.length) traces.push({
      x: run.checkpoints, y: run.checkpoints.map(() => 0.015), yaxis: "y2", mode: "markers", marker: { symbol: "line-ns", size: 8, color: ink, line: { width: 1.5, color: ink } },
      hovertemplate: `checkpoint of ${plain(run.name)}<extra></extra>`,
    });
    if (events.length) traces.push({
      x: events.map(([step]) => step), y: events.map(() => 0.97), yaxis: "y2", mode: "markers",
      marker: { symbol: events.map(([, kind]) => EVENTS[kind] ?? (kind.startsWith("guard") ? EVENTS.guard : "circle")), size: 8, color: ink },
      text: events.map(([, kind, message]) => plain(`${run.name}, ${kind}: ${message}`).replace(/(.{60}[^ ]*) /g, "$1<br>")), hovertemplate: "%{text}<extra></extra>",
    });
    return traces;
  }

  const KINDS = { curve, difference, evaluations, metric };

  function draw(plot) {
    const id = plot.dataset.chart, chart = data.charts[id], small = chart.type === "metric" || chart.type === "evaluations";
    const { traces, layout } = KINDS[chart.type](chart, id);
    const narrow = plot.clientWidth < 480, ink = css("--ink"), coarse = matchMedia("(pointer: coarse)").matches;
    const axis = { gridcolor: css("--grid"), linecolor: css("--rule"), zerolinecolor: css("--rule"), tickfont: { color: css("--quiet"), size: narrow || small ? 11 : 12 }, automargin: true };
    const merged = {
      ...layout, autosize: true, showlegend: false, hovermode: traces.length > 14 ? "closest" : "x unified", dragmode: coarse ? false : "zoom",
      font: { family: css("--sans"), color: ink, size: narrow || small ? 11 : 13 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      margin: small ? { l: 44, r: 10, t: 8, b: 30 } : { l: narrow ? 44 : 56, r: 12, t: 12, b: 46 },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: css("--quiet"), activecolor: css("--accent") },
      hoverlabel: { bgcolor: css("--card"), bordercolor: css("--rule"), font: { color: ink } },
      xaxis: { ...axis, ...layout.xaxis, title: small ? undefined : { ...layout.xaxis.title, standoff: 8 } },
      yaxis: { ...axis, ...layout.yaxis, title: narrow || small ? undefined : layout.yaxis.title },
    };
    plot.querySelector(".waiting")?.remove();
    window.Plotly.react(plot, traces, merged, { responsive: true, displaylogo: false, displayModeBar: coarse || small ? false : "hover", modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]] });
    drawn.add(plot);
  }
  // What stands in a closed <details> has a box and is not seen.
  const seen = (plot) => (plot.checkVisibility ? plot.checkVisibility() : plot.offsetParent !== null);
  const redraw = () => { for (const plot of drawn) if (seen(plot)) draw(plot); else drawn.delete(plot); };
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) if (ready && entry.isIntersecting && !drawn.has(entry.target)) draw(entry.target);
  }, { rootMargin: "400px" });
  const look = () => { for (const plot of plots) { near.unobserve(plot); near.observe(plot); } };
  page.onTheme.push(redraw);
  page.onShown.push(look);

  // Controls
  for (const button of document.querySelectorAll("[data-hide]")) {
    button.addEventListener("click", () => {
      const style = Number(button.dataset.hide);
      if (!hidden.delete(style)) hidden.add(style);
      for (const twin of document.querySelectorAll(`[data-hide="${style}"]`)) twin.setAttribute("aria-pressed", String(!hidden.has(style)));
      redraw();
    });
  }
  for (const button of document.querySelectorAll(".variant")) {
    button.addEventListener("click", () => {
      const column = button.dataset.variant;
      if (!hiddenVariants.delete(column)) hiddenVariants.add(column);
      button.setAttribute("aria-pressed", String(!hiddenVariants.has(column)));
      redraw();
    });
  }
  document.getElementById("smoothing")?.addEventListener("change", (event) => { smoothing = Number(event.target.value); redraw(); });
  const source = document.getElementById("paper-source");
  const tellSource = () => {
    const published = data.paper.find((one) => one.key === paper);
    if (!source) return;
    source.hidden = !published;
    source.textContent = published ? `Thin grey lines: ${published.label}, ${published.source}. Another model and other problems: compare shapes, not heights.` : "";
  };
  document.getElementById("paper")?.addEventListener("change", (event) => { paper = event.target.value; tellSource(); redraw(); });
  tellSource();
  for (const select of document.querySelectorAll("select.reference")) {
    select.addEventListener("change", () => {
      compare[select.dataset.chart] = select.value;
      const figure = select.closest("figure");
      for (const block of figure.querySelectorAll("[data-reference]")) block.hidden = block.dataset.reference !== select.value;
      const said = [...figure.querySelectorAll("[data-reference]:not([hidden]) li")].map((item) => item.textContent);
      figure.querySelector(".plot").setAttribute("aria-label", said.join(". "));
      redraw();
    });
  }

  // Data tables, made when they are opened
  function table(chart) {
    if (chart.type === "curve") {
      const range = (one, i) => (known(one.low[i]) ? ` [${one.low[i].toFixed(1)}, ${one.high[i].toFixed(1)}]` : "");
      return { head: ["k", ...chart.series.map((one) => one.name)], rows: chart.ks.map((k, i) => [k, ...chart.series.map((one) => (known(one.y[i]) ? one.y[i].toFixed(1) + range(one, i) : "–"))]) };
    }
    if (chart.type === "evaluations") {
      const rows = chart.series.flatMap((one) => one.x.map((step, i) => [one.name, step, one.y[i] ?? "–"]));
      return { head: ["curve", "step", "%"], rows };
    }
    const columns = data.runs.flatMap((run) => chart.columns.filter(([column]) => run.columns[column]).map(([column, label]) => ({ run, column, label })));
    const steps = [...new Set(columns.flatMap(({ run }) => run.steps))].sort((a, b) => a - b);
    const at = new Map(data.runs.map((run) => [run, new Map(run.steps.map((step, i) => [step, i]))]));
    return { head: ["step", ...columns.map(({ run, label }) => `${run.name}, ${label}`)], rows: steps.map((step) => [step, ...columns.map(({ run, column }) => run.columns[column][at.get(run).get(step)] ?? "–")]) };
  }
  const cell = (tag, text, scope) => { const made = document.createElement(tag); made.textContent = text; if (scope) made.scope = scope; return made; };
  for (const details of document.querySelectorAll("details.numbers")) {
    details.addEventListener("toggle", () => {
      const place = details.querySelector(".scroll");
      if (!details.open || place.firstChild) return;
      const { head, rows } = table(data.charts[details.dataset.chart]);
      const made = document.createElement("table"), top = made.createTHead().insertRow(), body = made.createTBody();
      for (const text of head) top.append(cell("th", text, "col"));
      for (const row of rows) {
        const [first, ...rest] = row, line = body.insertRow();
        line.append(cell("th", first, "row"), ...rest.map((text) => cell("td", text)));
      }
      place.append(made);
    });
  }
  // Paper is white and has no tabs: all panels, by daylight, and back again.
  let put = null;
  addEventListener("beforeprint", () => {
    const root = document.documentElement, panels = [...document.querySelectorAll('[role="tabpanel"][hidden]')];
    put = { theme: root.dataset.theme, panels };
    root.dataset.theme = "light";
    for (const panel of panels) panel.hidden = false;
    if (ready) for (const plot of plots) if (seen(plot)) draw(plot);
  });
  addEventListener("afterprint", () => {
    if (!put) return;
    if (put.theme) document.documentElement.dataset.theme = put.theme;
    else delete document.documentElement.dataset.theme;
    for (const panel of put.panels) panel.hidden = true;
    put = null;
    redraw();
  });

  function giveUp(why) {
    const notice = document.getElementById("no-charts");
    notice.textContent = `The charts cannot be drawn here: ${why}. All figures are in the tables ("In words and numbers" under each chart).`;
    notice.hidden = false;
    for (const waiting of document.querySelectorAll(".waiting")) waiting.textContent = "No chart in this browser.";
  }
  async function unpack() {
    if (!("DecompressionStream" in window)) return giveUp("this browser has no DecompressionStream (Chrome 80, Firefox 113, Safari 16.4 and newer have it)");
    try {
      const packed = Uint8Array.from(atob(document.getElementById("plotly-packed").textContent), (c) => c.charCodeAt(0));
      const script = document.createElement("script");
      script.nonce = document.querySelector("script[nonce]").nonce;
      script.textContent = await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
      document.head.append(script);
      if (!window.Plotly) return giveUp("Plotly did not start");
      ready = true;
      look();
    } catch (error) {
      giveUp(`Plotly could not be unpacked (${error})`);
    }
  }
  unpack();
})();
