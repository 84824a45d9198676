// The charts on the page: Plotly is unpacked once, all charts in sight are drawn while the browser is idle, and again when a control changes.
(() => {
  const { data, state, css, known, banded } = figures;
  const plots = [...document.querySelectorAll(".plot")];
  const drawn = new Set();
  let ready = false;
  state.compare = Object.fromEntries([...document.querySelectorAll("select.reference")].map((s) => [s.dataset.chart, s.value]));

  function draw(plot) {
    const chart = data.charts[plot.dataset.chart], small = chart.type === "metric" || chart.type === "evaluations";
    const { traces, layout, room = 12 } = figures.make(plot);
    const narrow = plot.clientWidth < 480, ink = css("--ink"), coarse = matchMedia("(pointer: coarse)").matches;
    const axis = { gridcolor: css("--grid"), linecolor: css("--rule"), zerolinecolor: css("--rule"), tickfont: { color: css("--quiet"), size: narrow || small ? 11 : 12 }, automargin: true };
    const merged = {
      ...layout, autosize: true, showlegend: false, hovermode: traces.length > (small ? 14 : 6) ? "closest" : "x unified", dragmode: coarse ? false : "zoom",
      font: { family: css("--sans"), color: ink, size: narrow || small ? 11 : 13 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      margin: small ? { l: 44, r: 10, t: 8, b: 42 } : { l: narrow ? 44 : 56, r: room, t: 12, b: 46 },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: css("--quiet"), activecolor: css("--accent") },
      hoverlabel: { bgcolor: css("--card"), bordercolor: css("--rule"), font: { color: ink } },
      xaxis: { ...axis, ...layout.xaxis, title: { ...layout.xaxis.title, standoff: small ? 4 : 8 } },
      yaxis: { ...axis, ...layout.yaxis, title: narrow || small ? undefined : layout.yaxis.title },
    };
    plot.querySelector(".waiting")?.remove();
    window.Plotly.react(plot, traces, merged, { responsive: true, displaylogo: false, displayModeBar: coarse || small ? false : "hover", modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]] });
    if (!drawn.has(plot) && !small) {
      plot.on("plotly_hover", ({ points }) => point(points.length === 1 ? points[0].data.meta ?? null : null));
      plot.on("plotly_unhover", () => point(null));
    }
    drawn.add(plot);
  }
  // The band of the run that is pointed at, in its line or in its button.
  function point(style) {
    if (style === state.pointed) return;
    state.pointed = style;
    for (const plot of drawn) {
      const bands = (plot.data ?? []).map((trace, i) => [trace, i]).filter(([trace]) => trace.legendgroup === "band");
      const among = new Set(bands.map(([trace]) => trace.meta)).size;
      if (among <= figures.BANDS || !seen(plot)) continue;
      window.Plotly.restyle(plot, { visible: bands.map(([trace]) => banded(trace.meta, among)) }, bands.map(([, i]) => i));
    }
  }
  // What stands in a closed <details> has a box and is not seen.
  const seen = (plot) => (plot.checkVisibility ? plot.checkVisibility() : plot.offsetParent !== null);
  const redraw = () => { for (const plot of drawn) if (seen(plot)) draw(plot); else drawn.delete(plot); };
  // All that can be seen, those in sight first, one at a time while nothing else is to be done: a picture of the whole page has them all.
  const idle = window.requestIdleCallback ?? ((work) => setTimeout(work, 1));
  let working = false;
  const distance = (plot) => { const { top, bottom } = plot.getBoundingClientRect(); return bottom < 0 ? -bottom : Math.max(0, top - innerHeight); };
  function look() {
    if (!ready || working) return;
    const waiting = plots.filter((plot) => !drawn.has(plot) && seen(plot));
    if (!waiting.length) return;
    const next = waiting.reduce((a, b) => (distance(b) < distance(a) ? b : a));
    working = true;
    const work = () => { working = false; if (seen(next)) draw(next); look(); };
    if (distance(next) === 0) requestAnimationFrame(work);
    else idle(work, { timeout: 500 });
  }
  document.addEventListener("toggle", look, true);
  page.onTheme.push(redraw);
  page.onShown.push(look);

  // Controls
  for (const button of document.querySelectorAll("[data-hide]")) {
    button.addEventListener("click", () => {
      const style = Number(button.dataset.hide);
      if (!state.hidden.delete(style)) state.hidden.add(style);
      for (const twin of document.querySelectorAll(`[data-hide="${style}"]`)) twin.setAttribute("aria-pressed", String(!state.hidden.has(style)));
      redraw();
      tellBands();
    });
    const here = () => point(Number(button.dataset.hide)), away = () => point(null);
    for (const [event, act] of [["pointerenter", here], ["focus", here], ["pointerleave", away], ["blur", away]]) button.addEventListener(event, act);
  }
  function tellBands() {
    const curves = document.querySelectorAll("#passk [data-hide][aria-pressed=true]").length;
    for (const note of document.querySelectorAll(".band-note")) {
      const many = curves > (note.closest("figure").querySelector(".plot").dataset.chart.startsWith("difference") ? 3 : 2);
      note.textContent = many ? "Point at a line or its name for the band" : "Shaded: the band";
    }
  }
  tellBands();
  for (const button of document.querySelectorAll(".variant")) {
    button.addEventListener("click", () => {
      const column = button.dataset.variant;
      if (!state.hiddenVariants.delete(column)) state.hiddenVariants.add(column);
      button.setAttribute("aria-pressed", String(!state.hiddenVariants.has(column)));
      redraw();
    });
  }
  document.getElementById("smoothing")?.addEventListener("change", (event) => { state.smoothing = Number(event.target.value); redraw(); });
  const source = document.getElementById("paper-source");
  const tellSource = () => {
    const published = data.paper.find((one) => one.key === state.paper);
    if (!source) return;
    source.hidden = !published;
    source.textContent = published ? `Thin grey lines: ${published.label}, ${published.source}. Another model and other problems: compare shapes, not heights.` : "";
  };
  document.getElementById("paper")?.addEventListener("change", (event) => { state.paper = event.target.value; tellSource(); redraw(); });
  tellSource();
  for (const select of document.querySelectorAll("select.reference")) {
    select.addEventListener("change", () => {
      state.compare[select.dataset.chart] = select.value;
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
    const root = document.documentElement, panels = [...document.querySelectorAll('[role="tabpanel"][hidden], [data-with][hidden]')];
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
