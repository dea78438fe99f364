"use strict";
// A table of any number of series: rows are data, and 100 of them are elements at a time.
const rows = JSON.parse(document.getElementById("payload").textContent);
const PAGE = 100;
const SVG = "http://www.w3.org/2000/svg";
const COLUMNS = [
  ["series", "series", false], ["picture", "course", false], ["status", "status", false], ["events", "events", true],
  ["severity", "severity", true], ["q", "q-value", true], ["drift", "drift", true], ["rows", "rows", true],
  ["seconds", "seconds", true], ["alarms", "alarms", false],
];
rows.forEach((row, place) => {
  row.place = place;
  row.text = [row.series, row.status, row.error, row.alarms, row.reason].join(" ").toLowerCase();
});
const state = { column: null, down: true, page: 0, shown: rows };
const by = (id) => document.getElementById(id);

function drifted(row) { return row.drift !== null && (row.drift > 1.3 || row.drift < 0.77); }

function number(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size >= 1e6) return value.toExponential(1);
  if (Number.isInteger(value)) return value.toLocaleString("en");
  if (size < 0.001 && size > 0) return value.toExponential(1);
  return value.toLocaleString("en", { maximumSignificantDigits: 3 });
}

function element(name, text, kind) {
  const made = document.createElement(name);
  if (text !== undefined && text !== "") made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function drawing(picture, name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 100 34");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "course of " + name + ", " + picture.events.length + " events marked");
  for (const [at, wide] of picture.events) {
    const box = document.createElementNS(SVG, "rect");
    for (const [key, value] of [["x", at], ["y", 0], ["width", wide], ["height", 34]]) box.setAttribute(key, value);
    svg.append(box);
  }
  let points = [];
  const flush = () => {
    if (points.length) {
      const line = document.createElementNS(SVG, "polyline");
      line.setAttribute("points", points.join(" "));
      svg.append(line);
    }
    points = [];
  };
  const last = Math.max(1, picture.line.length - 1);
  picture.line.forEach((value, i) => {
    if (value === null) flush();
    else points.push((100 * i / last).toFixed(1) + "," + (32 - 30 * value / 99).toFixed(1));
  });
  flush();
  return svg;
}

function line(row) {
  const made = element("tr", "", row.status === "ok" ? "" : "failed");
  const name = element("td", "", "name");
  if (row.link) {
    const link = element("a", row.series);
    link.href = row.link;
    name.append(link);
  } else name.append(element("span", row.series));
  if (row.new) name.append(element("span", row.new + " new", "badge"));
  if (row.error) name.append(element("span", row.error, "error"));
  made.append(name);
  const course = element("td");
  if (row.picture) course.append(drawing(row.picture, row.series));
  made.append(course, element("td", row.status === "ok" ? "ok" : "failed", "state"));
  for (const key of ["events", "severity", "q", "drift", "rows", "seconds"]) {
    const marked = (key === "drift" && drifted(row)) || (key === "q" && row.discovery);
    const beyond = key === "severity" && row.limit !== null && row.severity > row.limit; // an extrapolation
    const text = beyond ? "over " + number(row.limit) : number(row[key]);
    made.append(element("td", text, "number" + (marked ? " mark" : "")));
  }
  const alarms = element("td", row.alarms || "–");
  alarms.title = row.reason;
  made.append(alarms);
  return made;
}

function choose() {
  const words = by("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const only = by("only").value;
  const kept = rows.filter((row) =>
    words.every((word) => row.text.includes(word)) &&
    (only === "" || (only === "failed" && row.status !== "ok") || (only === "events" && row.events > 0) ||
     (only === "discovery" && row.discovery) || (only === "drift" && drifted(row))));
  if (state.column) {
    const key = state.column, sign = state.down ? -1 : 1;
    kept.sort((a, b) => {
      const x = a[key], y = b[key];
      if (x === null || y === null) return (x === null) - (y === null) || a.place - b.place; // unknown last
      const order = typeof x === "string" ? x.localeCompare(y) : x - y;
      return sign * order || a.place - b.place;
    });
  }
  state.shown = kept;
  state.page = 0;
  show();
}

function show() {
  const pages = Math.max(1, Math.ceil(state.shown.length / PAGE));
  const first = state.page * PAGE;
  by("body").replaceChildren(...state.shown.slice(first, first + PAGE).map(line));
  by("count").textContent = state.shown.length.toLocaleString("en") + " of " + rows.length.toLocaleString("en") + " series";
  by("page").textContent = "page " + (state.page + 1) + " of " + pages;
  by("back").disabled = state.page === 0;
  by("forth").disabled = state.page >= pages - 1;
  document.querySelectorAll("#head th").forEach((one) => {
    const mine = one.dataset.key === state.column;
    one.setAttribute("aria-sort", mine ? (state.down ? "descending" : "ascending") : "none");
    one.querySelector(".arrow")?.replaceChildren(mine ? (state.down ? " ↓" : " ↑") : "");
  });
}

for (const [key, title, numeric] of COLUMNS) {
  const head = element("th", "", numeric ? "number" : "");
  head.scope = "col";
  head.dataset.key = key;
  if (key === "picture") head.textContent = title;
  else {
    const button = element("button", title);
    button.type = "button";
    button.append(element("span", "", "arrow"));
    button.addEventListener("click", () => {
      state.down = state.column === key ? !state.down : numeric;
      state.column = key;
      choose();
    });
    head.append(button);
  }
  by("head").append(head);
}
by("search").addEventListener("input", choose);
by("only").addEventListener("change", choose);
by("back").addEventListener("click", () => { state.page -= 1; show(); });
by("forth").addEventListener("click", () => { state.page += 1; show(); });
choose();
document.body.dataset.ready = "yes";
