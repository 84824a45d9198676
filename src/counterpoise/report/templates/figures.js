// What each chart shows: traces and layout for Plotly, from the data and from what the reader has switched on or points at.
const figures = (() => {
  const data = JSON.parse(document.getElementById("report-data").textContent);
  const state = { smoothing: 0.04, paper: data.shown, pointed: null, hidden: new Set(), hiddenVariants: new Set(), compare: {} };
  const VARIANTS = ["solid", "dot", "dash", "dashdot", "longdash", "longdashdot"];
  const BANDS = 2;

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const slot = (style) => (style > 0 ? ((style - 1) % data.symbols.length) + 1 : 0);
  const shifted = (style, all) => (slot(style) - 1 + Math.floor((style - 1) / data.symbols.length)) % all.length; // as dash_of and symbol_of
  const color = (style) => css(style > 0 ? `--s${slot(style)}` : "--base");
  const dash = (style) => (style > 0 ? data.dashes[shifted(style, data.dashes)] : data.baseDashes[-style % data.baseDashes.length]);
  const symbol = (style) => (style > 0 ? data.symbols[shifted(style, data.symbols)] : "circle-open");
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

  // Several bands over one another are grey: of more than two lines the band is shown that the reader points at.
  const banded = (style, among) => among <= BANDS || state.pointed === style;
  const band = (x, series, ink, among) => [
    { x, y: series.high, meta: series.style, visible: banded(series.style, among), mode: "lines", line: { width: 0 }, hoverinfo: "skip", legendgroup: "band" },
    { x, y: series.low, meta: series.style, visible: banded(series.style, among), mode: "lines", line: { width: 0 }, fill: "tonexty", fillcolor: faint(ink, among > BANDS ? 0.2 : 0.13), hoverinfo: "skip", legendgroup: "band" },
  ];
  const shown = (series) => series.filter((one) => !state.hidden.has(one.style));
  const line = (x, one, suffix) => ({
    x, y: one.y, name: plain(one.name), meta: one.style, mode: "lines+markers",
    line: { color: color(one.style), width: 2.5, dash: dash(one.style) }, marker: { size: 8, symbol: symbol(one.style), color: color(one.style) },
    customdata: one.low.map((low, i) => [low, one.high[i]]),
    hovertemplate: `%{y:.1f}${suffix} [%{customdata[0]:.1f}, %{customdata[1]:.1f}]`,
  });

  // The vertical range is ours, so that names at the lines' ends can be set apart before anything is drawn.
  function range(series, among, least) {
    const values = series.flatMap((one) => [...one.y, ...(banded(one.style, among) || among > BANDS ? [...one.low, ...one.high] : [])]).filter(known);
    if (!values.length) return undefined;
    const low = Math.min(least ?? Infinity, ...values), high = Math.max(least ?? -Infinity, ...values), edge = Math.max(0.05 * (high - low), 0.5);
    return [low - edge, high + edge];
  }
  const MARK = 14;
  const short = (name, room) => (name.length <= room ? name : `${name.slice(0, Math.ceil(room / 2) - 1)}…${name.slice(name.length - Math.floor(room / 2) + 1)}`);
  function ends(series, y, plot) {
    if (!y || series.length > 8) return { annotations: [], room: 12 };
    const letters = plot.clientWidth < 480 ? 9 : plot.clientWidth < 640 ? 14 : 20;
    const inner = plot.clientHeight - 70, unit = (y[1] - y[0]) / inner;
    const labels = series.map((one) => ({ one, at: one.y.findLast(known) })).filter(({ at }) => known(at)).sort((a, b) => a.at - b.at);
    // Labels that would touch become a block around the middle of what they name.
    const blocks = [];
    for (const label of labels) {
      blocks.push({ labels: [label], middle: label.at });
      while (blocks.length > 1) {
        const [below, above] = blocks.slice(-2), half = (block) => (block.labels.length * MARK * unit) / 2;
        if (above.middle - half(above) >= below.middle + half(below)) break;
        const both = [...below.labels, ...above.labels];
        blocks.splice(-2, 2, { labels: both, middle: both.reduce((sum, one) => sum + one.at, 0) / both.length });
      }
    }
    for (const block of blocks) {
      const half = ((block.labels.length - 1) * MARK * unit) / 2, spare = half + (MARK * unit) / 4, middle = Math.min(Math.max(block.middle, y[0] + spare), y[1] - spare);
      block.labels.forEach((label, i) => { label.place = middle - half + i * MARK * unit; });
    }
    const texts = labels.map(({ one }) => short(one.name, letters));
    return {
      room: 14 + 7.2 * Math.max(0, ...texts.map((text) => text.length)),
      annotations: labels.map(({ one, place }, i) => ({
        xref: "paper", x: 1, xanchor: "left", xshift: 4, yref: "y", y: place, yanchor: "middle", showarrow: false, text: plain(texts[i]),
        font: { size: 12, color: color(one.style) },
      })),
    };
  }
  const logAxis = (ks) => {
    const low = Math.log10(ks[0]), high = Math.log10(ks[ks.length - 1]), edge = Math.max(0.04 * (high - low), 0.05);
    return { type: "log", tickvals: ks, ticktext: ks.map(String), range: [low - edge, high + edge], title: { text: "k (tries), log scale" } };
  };

  function curve(chart, id, plot) {
    const series = shown(chart.series);
    const traces = series.flatMap((one) => band(chart.ks, one, color(one.style), series.length));
    const ks = [...chart.ks];
    const published = data.paper.find((one) => one.key === state.paper);
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
    const y = published ? undefined : range(series, series.length), { annotations, room } = ends(series, y, plot);
    return { traces, room, layout: { annotations, xaxis: logAxis(ks), yaxis: { title: { text: "pass@k, %" }, range: y } } };
  }

  function difference(chart, id, plot) {
    const series = shown(chart.references[state.compare[id]]);
    const traces = series.flatMap((one) => band(chart.ks, one, color(one.style), series.length));
    traces.push(...series.map((one) => line(chart.ks, { ...one, name: `${one.name} − ${one.base}${one.paired ? "" : " (unpaired)"}` }, " points")));
    for (const one of series) {
      if (!one.crossing) continue;
      const [k, low, high] = one.crossing;
      traces.push({
        x: [low, high], y: [0, 0], meta: one.style, legendgroup: "band", visible: banded(one.style, series.length), mode: "lines+markers", hoverinfo: "skip",
        line: { color: color(one.style), width: 1.5 }, marker: { symbol: "line-ns", size: 10, line: { width: 1.5, color: color(one.style) } },
      }, {
        x: [k], y: [0], meta: one.style, mode: "markers", marker: { symbol: "x", size: 11, color: color(one.style), line: { color: css("--card"), width: 1.5 } },
        hovertemplate: `${plain(one.name)}: the curves cross at k=%{x:.1f} [${low}, ${high}]<extra></extra>`,
      });
    }
    const zero = { type: "line", xref: "paper", x0: 0, x1: 1, y0: 0, y1: 0, line: { color: css("--quiet"), width: 1.5 } };
    const y = range(series, series.length, 0), { annotations, room } = ends(series, y, plot);
    return { traces, room, layout: { annotations, xaxis: logAxis(chart.ks), yaxis: { title: { text: "percentage points" }, range: y }, shapes: [zero] } };
  }

  function evaluations(chart) {
    const traces = shown(chart.series).map((one) => ({
      ...line(one.x, one, "%"), line: { color: color(one.style), width: 2, dash: VARIANTS[one.dash] },
      error_y: { type: "data", symmetric: false, array: one.high.map((h, i) => (known(h) ? h - one.y[i] : 0)), arrayminus: one.low.map((l, i) => (known(l) ? one.y[i] - l : 0)), thickness: 1, width: 3, color: color(one.style) },
    }));
    return { traces, layout: { xaxis: { title: { text: "step" } }, yaxis: {} } };
  }

  function metric(chart) {
    const runs = data.runs.filter((run) => !state.hidden.has(run.style));
    const traces = [], lines = runs.length * chart.columns.length;
    for (const run of runs) {
      chart.columns.forEach(([column, label], variant) => {
        const raw = run.columns[column];
        if (!raw || state.hiddenVariants.has(column)) return;
        // One run alone: the colour tells the columns apart as well.
        const ink = color(data.runs.length === 1 ? variant + 1 : run.style);
        const smoothed = smooth(raw, state.smoothing), isSmoothed = smoothed !== raw, sparse = raw.filter(known).length < raw.length / 2;
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
    return { traces, layout: { xaxis: { zeroline: false, title: { text: "step" } }, yaxis: { rangemode: positive ? "nonnegative" : "normal" }, yaxis2: over } };
  }

  function marks(run) {
    const ink = color(run.style);
    const events = run.events.filter(([step, kind]) => step > 0 && data.eventSymbols[kind]);
    const traces = [];
    if (run.checkpoints.length) traces.push({
      x: run.checkpoints, y: run.checkpoints.map(() => 0.015), yaxis: "y2", mode: "markers", marker: { symbol: "line-ns", size: 8, color: ink, line: { width: 1.5, color: ink } },
      hovertemplate: `checkpoint of ${plain(run.name)}<extra></extra>`,
    });
    if (events.length) traces.push({
      x: events.map(([step]) => step), y: events.map(() => 0.97), yaxis: "y2", mode: "markers",
      marker: { symbol: events.map(([, kind]) => data.eventSymbols[kind]), size: 8, color: ink },
      text: events.map(([, kind, message]) => plain(`${run.name}, ${kind}: ${message}`).replace(/(.{60}[^ ]*) /g, "$1<br>")), hovertemplate: "%{text}<extra></extra>",
    });
    return traces;
  }

  const kinds = { curve, difference, evaluations, metric };
  return { BANDS, data, state, css, known, banded, make: (plot) => kinds[data.charts[plot.dataset.chart].type](data.charts[plot.dataset.chart], plot.dataset.chart, plot) };
})();
