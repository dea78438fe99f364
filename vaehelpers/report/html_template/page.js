"use strict";
// Draws the chart of a report from packed rows. Needs BokehJS; without it, or on any error, the static picture stays.
(function () {
  const $ = (id) => document.getElementById(id);
  const P = JSON.parse($("payload").textContent);
  const MISSING = 65535, COLUMNS = 900; // buckets drawn across the chart

  async function unpack(text) {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const planes = new Uint8Array(await new Response(stream).arrayBuffer());
    const half = planes.length / 2, block = new Uint16Array(half);
    for (let i = 0, last = 0; i < half; i++) block[i] = last = (last + planes[i] + (planes[half + i] << 8)) & 65535;
    return block;
  }
  let block;
  function read(place) {
    const out = new Float32Array(place.n), scale = ((place.high - place.low) || 1) / (MISSING - 1);
    for (let i = 0; i < place.n; i++) {
      const packed = block[place.at + i];
      out[i] = packed === MISSING ? NaN : place.low + packed * scale;
    }
    return out;
  }

  // time <-> row, by straight lines between knots
  const knotRows = P.time.rows, knotTimes = P.time.at;
  function between(from, to, x) {
    let low = 0, high = from.length - 1;
    if (high === 0) return to[0];
    while (high - low > 1) { const middle = (low + high) >> 1; if (from[middle] <= x) low = middle; else high = middle; }
    const width = from[high] - from[low];
    return to[low] + (width ? (x - from[low]) / width : 0) * (to[high] - to[low]);
  }
  const timeOf = (row) => between(knotRows, knotTimes, row);
  const rowOf = (time) => Math.max(0, Math.min(P.rows - 1, between(knotTimes, knotRows, time)));

  // min/max pyramid: each level holds the extremes of four buckets of the level below
  class Pyramid {
    constructor(low, high, bucket) {
      this.levels = [{ low, high: high || low, bucket }];
      while (this.levels[this.levels.length - 1].low.length > 2 * COLUMNS) {
        const below = this.levels[this.levels.length - 1], n = Math.ceil(below.low.length / 4);
        const l = new Float32Array(n), h = new Float32Array(n);
        for (let i = 0; i < n; i++) {
          let a = Infinity, b = -Infinity;
          for (let j = 4 * i; j < Math.min(4 * i + 4, below.low.length); j++) {
            if (below.low[j] < a) a = below.low[j];
            if (below.high[j] > b) b = below.high[j];
          }
          l[i] = a === Infinity ? NaN : a; h[i] = b === -Infinity ? NaN : b;
        }
        this.levels.push({ low: l, high: h, bucket: 4 * below.bucket });
      }
    }
    // points of a line from row `first` to row `last`: at most about 4 per pixel column, two for each bucket
    points(first, last, gaps, transform) {
      const level = this.levels.find((one) => (last - first) / one.bucket <= 2 * COLUMNS) || this.levels[this.levels.length - 1];
      const size = level.bucket, x = [], y = [];
      let low = Infinity, high = -Infinity, gap = gaps ? firstAbove(gaps, first) : 0;
      const begin = Math.max(0, Math.floor(first / size) - 1), end = Math.min(level.low.length - 1, Math.ceil(last / size) + 1);
      for (let i = begin; i <= end; i++) {
        const row = i * size;
        while (gaps && gap < gaps.length && gaps[gap] <= row) { if (gaps[gap] > row - size) { x.push(timeOf(row)); y.push(NaN); } gap++; }
        const a = transform ? transform(level.low[i]) : level.low[i], b = transform ? transform(level.high[i]) : level.high[i];
        x.push(timeOf(Math.min(row, P.rows - 1))); y.push(a);
        if (size > 1) { x.push(timeOf(Math.min(row + size / 2, P.rows - 1))); y.push(b); }
        if (a < low) low = a;
        if (b > high) high = b;
      }
      return { x, y, low, high };
    }
  }
  function firstAbove(sorted, x) { let i = 0; while (i < sorted.length && sorted[i] <= x) i++; return i; }

  const say = (id, text) => { const node = $(id); if (node && node.textContent !== text) node.textContent = text; };
  const number = (x) => {
    if (!isFinite(x)) return "–";
    const size = Math.abs(x);
    if (size >= 1e6 || (size > 0 && size < 1e-3)) return x.toPrecision(2);
    return size >= 100 ? Math.round(x).toLocaleString("en") : String(+x.toPrecision(3));
  };

  async function start() {
    block = await unpack(P.packed);
    $("interactive").hidden = false;
    const charts = JSON.parse($("bokeh-items").textContent);
    const views = [await Bokeh.embed.embed_item(charts.chart), await Bokeh.embed.embed_item(charts.detail)];
    const documents = Bokeh.documents;
    const model = (name) => { for (const one of documents) { const m = one.get_model_by_name(name); if (m) return m; } return null; };
    const main = model("main"), score = model("score"), detail = model("detail");
    const fill = (name, columns) => { model(name).data = columns; };

    const line = model("line");
    const scoreRows = read(P.score);
    const value = P.log ? (x) => Math.pow(10, x) : null;
    const scorePyramid = new Pyramid(scoreRows, null, P.score_bucket);
    let chosenVariable = 0, pyramid = null;
    const pyramids = {};
    function showVariable(index) {
      chosenVariable = index;
      const variable = P.variables[index];
      if (!pyramids[index]) pyramids[index] = new Pyramid(read(variable.low), variable.high ? read(variable.high) : null, P.bucket);
      pyramid = pyramids[index];
      for (const axis of main.left) axis.axis_label = variable.unit ? variable.name + " (" + variable.unit + ")" : variable.name;
    }

    // -- drawing --------------------------------------------------------------------------------------------------
    const spans = (rows) => ({ x0: rows.map((r) => timeOf(r[0])), x1: rows.map((r) => timeOf(Math.min(r[1] + 1, P.rows - 1))) });
    const reported = P.events.map((e) => [e.first, e.last]);
    const range = main.x_range, whole = [knotTimes[0], knotTimes[knotTimes.length - 1]];
    let drawn = 0;
    window.reportChart = { redraws: [], event: null, events: reported.length }; // what the tests look at
    function draw() {
      const begin = performance.now();
      const first = rowOf(range.start), last = rowOf(range.end);
      const points = pyramid.points(first, last, P.gaps, null);
      fill("value", { x: points.x, y: points.y });
      const room = (points.high - points.low) || Math.abs(points.high) || 1;
      if (isFinite(points.low)) { main.y_range.start = points.low - 0.1 * room; main.y_range.end = points.high + 0.12 * room; }
      fill("marks", { x: reported.map((r) => timeOf((r[0] + r[1]) / 2)), y: reported.map(() => main.y_range.end - 0.035 * (main.y_range.end - main.y_range.start)) });
      if (P.labels) {
        const s = spans(P.labels);
        fill("labels", { ...s, y: s.x0.map(() => main.y_range.start + 0.02 * (main.y_range.end - main.y_range.start)) });
      }
      const scores = scorePyramid.points(first, last, P.gaps, value);
      fill("scores", { x: scores.x, y: scores.y });
      const at = line ? line.location : scores.high;
      if (isFinite(scores.high)) {
        if (P.log) { score.y_range.start = Math.min(scores.low, at) / 1.4; score.y_range.end = Math.max(scores.high, at) * 1.4; }
        else { score.y_range.start = Math.min(0, scores.low, at); score.y_range.end = 1.08 * Math.max(scores.high, at) || 1; }
      }
      say("shown", "Shown: " + timeText(range.start) + " to " + timeText(range.end) +
        ((last - first) / P.bucket < 60 && P.bucket > 1 ? ". Each step of the line is the extremes of " + P.bucket + " rows." : "."));
      window.reportChart.redraws.push(performance.now() - begin);
      drawn++;
    }
    function timeText(x) {
      if (P.time.kind === "row") return "row " + Math.round(Math.max(0, x)).toLocaleString("en");
      if (P.time.kind === "number") return number(x);
      return new Date(x).toISOString().slice(0, 16).replace("T", " ");
    }
    let asked = false;
    function ticks() {
      for (const plot of [main, score, detail]) {
        const wide = Math.max($("interactive").clientWidth, 200);
        for (const axis of plot.below) axis.ticker.desired_num_ticks = Math.max(2, Math.min(8, Math.round(wide / 140)));
      }
    }
    window.addEventListener("resize", ticks);
    function ask() { if (!asked) { asked = true; requestAnimationFrame(() => { asked = false; draw(); }); } }
    function show(from, to) {
      const width = Math.max(to - from, (whole[1] - whole[0]) / P.rows * 8);
      const middle = (from + to) / 2;
      range.setv({ start: middle - width / 2, end: middle + width / 2 });
    }
    function zoom(factor, shift) {
      const width = (range.end - range.start) * factor, middle = (range.start + range.end) / 2 + (shift || 0) * (range.end - range.start);
      if (width >= whole[1] - whole[0]) return show(whole[0], whole[1]);
      show(middle - width / 2, middle + width / 2);
    }
    range.change.connect(ask);

    // -- the line that one drags ----------------------------------------------------------------------------------
    const lineValue = (t) => P.log ? Math.pow(10, t) : t;
    const slider = $("line-slider");
    let low = P.score.low, high = P.score.high;
    const start0 = P.threshold === null ? null : (P.log ? Math.log10(P.threshold) : P.threshold);
    if (start0 !== null) { low = Math.min(low, start0); high = Math.max(high, start0); }
    if (P.log) low = Math.max(low, (start0 === null ? high : start0) - 3);
    high += 0.002 * (high - low); // the highest score is rounded, and the end of the slider lies above it
    const toSlider = (t) => Math.round(1000 * (t - low) / ((high - low) || 1)), fromSlider = (s) => low + s / 1000 * (high - low);
    function count(t) {
      const n = scoreRows.length, size = P.score_bucket, merge = Math.max(P.merge, size), found = [];
      let rows = 0, begin = -1, end = -1;
      for (let i = 0; i < n; i++) {
        if (!(scoreRows[i] > t)) continue;
        rows += size;
        if (begin >= 0 && (i - end - 1) * size <= merge) end = i;
        else { if (begin >= 0) found.push([begin * size, Math.min((end + 1) * size, P.rows) - 1]); begin = end = i; }
      }
      if (begin >= 0) found.push([begin * size, Math.min((end + 1) * size, P.rows) - 1]);
      return { rows: Math.min(rows, P.rows), found };
    }
    const overlaps = (a, b) => a[0] <= b[1] && b[0] <= a[1];
    function judge(t, own) {
      const counted = count(t), found = own ? reported : counted.found;
      const later = found.filter((e) => e[0] >= P.judged_from), units = (P.rows - P.judged_from) / P.unit_rows;
      say("n-events", found.length.toLocaleString("en"));
      say("n-rows", (own ? P.flagged : counted.rows).toLocaleString("en"));
      say("n-rate", number(later.length / units));
      if (P.labels) {
        say("n-hits", P.labels.filter((l) => found.some((e) => overlaps(e, l))).length + " of " + P.labels.length);
        say("n-false", later.filter((e) => !P.labels.some((l) => overlaps(e, l))).length.toLocaleString("en"));
      }
      fill("alarms", spans(found));
      window.reportChart.events = found.length;
      const text = "line at " + number(lineValue(t)) + ": " + found.length + (found.length === 1 ? " event" : " events");
      slider.setAttribute("aria-valuetext", text);
      say("line-at", number(lineValue(t)) + (own ? " (the detector's own)" : ""));
    }
    let moving = false, lastLine = null;
    function moveLine(t, from) {
      if (lastLine !== null && Math.abs(t - lastLine) < 1e-9 * (Math.abs(t) + 1)) return;
      t = Math.min(high, Math.max(low, t));
      lastLine = t;
      const own = start0 !== null && Math.abs(t - start0) < 1e-9 * (Math.abs(start0) + 1);
      moving = true;
      if (from !== "span") line.location = lineValue(t);
      if (from !== "slider") slider.value = toSlider(t);
      moving = false;
      judge(t, own);
    }
    if (line) {
      slider.min = 0; slider.max = 1000; slider.step = 1;
      slider.addEventListener("input", () => moveLine(fromSlider(+slider.value), "slider"));
      line.properties.location.change.connect(() => { if (!moving) moveLine(P.log ? Math.log10(Math.max(line.location, 1e-30)) : line.location, "span"); });
      $("line-reset").addEventListener("click", () => moveLine(start0, "button"));
    }

    // -- one event ------------------------------------------------------------------------------------------------
    function choose(number_, scroll) {
      const event = P.events[number_ - 1];
      if (!event) return;
      window.reportChart.event = number_;
      const context = Math.max(3 * (event.last - event.first), 2 * P.merge * 2);
      show(timeOf(Math.max(0, event.first - context)), timeOf(Math.min(P.rows - 1, event.last + context)));
      fill("chosen", spans([[event.first, event.last]]));
      for (const card of document.querySelectorAll(".card")) card.classList.toggle("chosen", card.dataset.event === String(number_));
      $("detail").hidden = false;
      say("detail-title", "Event " + event.n + ": " + event.title);
      say("detail-when", event.when);
      const list = $("detail-shares");
      list.textContent = "";
      const known = Boolean(event.value);
      $("detail-body").hidden = !known;
      say("detail-normal", known ? "" : "Only the " + P.events.filter((e) => e.value).length + " worst events come with their rows; scores.csv has those of all.");
      if (known) {
        const values = read(event.value), expected = read(event.expected), lower = read(event.lower), upper = read(event.upper);
        const x = Array.from(values, (_, i) => timeOf(event.begin + i * event.stride));
        fill("detail-value", { x, y: Array.from(values) });
        fill("expected", { x, y: Array.from(expected) });
        fill("band", { x, y1: Array.from(lower), y2: Array.from(upper) });
        fill("detail-event", spans([[event.first, event.last]]));
        let all = [...values, ...lower, ...upper];
        if (event.normal) {
          const normal = read(event.normal.value);
          fill("normal", { x: Array.from(normal, (_, i) => timeOf(event.normal.at + i * event.normal.stride)), y: Array.from(normal) });
          all = all.concat(Array.from(normal));
          say("detail-normal", "Dotted: the normal window that comes nearest to it, from " + event.normal.when + ".");
        } else { fill("normal", { x: [], y: [] }); say("detail-normal", "No normal window without gaps to compare with."); }
        all = all.filter(isFinite);
        const a = Math.min(...all), b = Math.max(...all), room = (b - a) || 1;
        detail.y_range.setv({ start: a - 0.08 * room, end: b + 0.08 * room });
        detail.x_range.setv({ start: x[0], end: x[x.length - 1] });
        for (const axis of detail.left) axis.axis_label = event.variable;
        for (const [name, share] of P.several ? event.shares : []) {
          const item = document.createElement("li"), bar = document.createElement("span"), label = document.createElement("span");
          bar.className = "bar"; bar.style.width = (100 * share).toFixed(1) + "%";
          label.textContent = name + " " + (100 * share).toFixed(0) + " %";
          item.append(label, bar); list.append(item);
        }
      }
      if (scroll) $("detail").scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    }
    for (const button of document.querySelectorAll("button[data-event]")) button.addEventListener("click", () => choose(+button.dataset.event, true));
    const step = (by) => choose(((window.reportChart.event || (by > 0 ? 0 : 2)) - 1 + by + P.events.length) % P.events.length + 1, false);
    $("detail-next").addEventListener("click", () => step(1));
    $("detail-previous").addEventListener("click", () => step(-1));
    main.on_event("tap", (event) => {
      const row = rowOf(event.x), near = (rowOf(range.end) - rowOf(range.start)) * 0.01;
      let best = null, distance = Infinity;
      P.events.forEach((e) => { const d = Math.max(e.first - row, row - e.last, 0); if (d < distance) { distance = d; best = e.n; } });
      if (best !== null && distance <= near) choose(best, false);
    });

    // -- buttons, keys, colours -----------------------------------------------------------------------------------
    const actions = { "zoom-in": () => zoom(0.5), "zoom-out": () => zoom(2), "pan-left": () => zoom(1, -0.4), "pan-right": () => zoom(1, 0.4), "zoom-all": () => show(whole[0], whole[1]) };
    for (const [id, act] of Object.entries(actions)) $(id).addEventListener("click", act);
    $("chart").addEventListener("keydown", (event) => {
      const act = { "+": "zoom-in", "=": "zoom-in", "-": "zoom-out", ArrowLeft: "pan-left", ArrowRight: "pan-right", "0": "zoom-all" }[event.key];
      if (act) { actions[act](); event.preventDefault(); }
    });
    const select = $("variable");
    if (select) select.addEventListener("change", () => { showVariable(+select.value); draw(); });
    const dark = matchMedia("(prefers-color-scheme: dark)");
    function paint() {
      const style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue(name).trim();
      for (const plot of [main, score, detail]) {
        plot.background_fill_color = colour("--paper"); plot.border_fill_color = colour("--paper");
        for (const axis of [...plot.left, ...plot.below]) {
          axis.axis_label_text_color = axis.major_label_text_color = colour("--soft");
          axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = colour("--line");
        }
        for (const grid of plot.center) if (grid.grid_line_color !== undefined) grid.grid_line_color = colour("--line");
      }
      const paintLine = (name, value) => { const r = model(name); if (r) r.glyph.line_color = { value }; };
      paintLine("value-line", colour("--signal")); paintLine("detail-line", colour("--signal")); paintLine("score-line", colour("--soft"));
    }
    dark.addEventListener("change", paint);

    showVariable(0);
    $("static").hidden = true;
    range.setv({ start: whole[0], end: whole[1] });
    main.reset.connect(() => show(whole[0], whole[1]));
    fill("events", spans(reported));
    paint();
    ticks();
    draw();
    if (line) moveLine(start0, "start"); else judge(Infinity, true);
    document.body.dataset.ready = "yes";
    void views;
  }
  if (typeof Bokeh === "undefined" || typeof DecompressionStream === "undefined") return;
  start().catch((error) => { $("interactive").hidden = true; $("static").hidden = false; console.error(error); });
})();
