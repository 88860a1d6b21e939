// The last 24 hours' runs: rows moved, duration and lag, one above the other on the same hours.

import { clock, count, duration, hour, svg } from "./dom.js";

const DAY_MS = 24 * 3600e3;
const PANEL = 74;
const GAP = 34;
const LEFT = 64;
const RIGHT = 20;

const PANELS = [
  { title: "Rows moved", of: (run) => run.new + run.changed + run.deleted, write: count, log: true },
  { title: "Duration", of: (run) => run.seconds, write: duration },
  { title: "Lag", of: (run) => run.lag_seconds, write: duration },
];

/** Draw the runs into `place`; `link` gives a run's address in Airflow, or null. */
export function drawChart(place, runs, now, link) {
  const width = Math.max(place.clientWidth, 240);
  const height = PANELS.length * (PANEL + GAP) + 16;
  const x = (instant) => LEFT + (1 - (now - new Date(instant)) / DAY_MS) * (width - LEFT - RIGHT);
  const oldest = [...runs].reverse();
  place.replaceChildren(
    svg(
      "svg",
      { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": "Runs of the last 24 hours" },
      PANELS.map((panel, index) => drawPanel(panel, GAP - 8 + index * (PANEL + GAP), oldest, x, width)),
      hours(now, x, height, width),
      oldest.map((run) => target(run, x, height, now, link(run))),
    ),
  );
}

/** As wide as 72 runs leave room for. */
const barWidth = (width) => Math.max(Math.min(((width - LEFT - RIGHT) / 72) * 0.6, 8), 2);

function drawPanel(panel, top, runs, x, width) {
  const values = runs.map(panel.of).filter((value) => value !== null);
  const scale = scaleTo(Math.max(...values, 1), panel.log);
  const bottom = top + PANEL;
  return svg(
    "g",
    { class: "panel", "aria-hidden": "true" },
    svg("text", { class: "title", x: 0, y: top - 12 }, panel.title),
    scale.ticks.map((tick) => gridline(bottom - scale.of(tick) * PANEL, tick === 0 ? "0" : panel.write(tick), width)),
    runs.map((run) => bar(run, panel.of(run), x, bottom, scale, barWidth(width))),
  );
}

/** A scale from 0 to 1, with what to write at its side. Rows differ by thousands, so theirs is logarithmic. */
function scaleTo(largest, log) {
  if (!log) {
    const top = niceAbove(largest);
    return { of: (value) => value / top, ticks: [0, top / 2, top] };
  }
  const digits = Math.max(Math.ceil(Math.log10(largest + 1)), 1);
  const powers = digits > 3 ? [1, Math.ceil(digits / 2), digits] : [...Array(digits).keys()].map((power) => power + 1);
  return { of: (value) => Math.log10(value + 1) / digits, ticks: [0, ...powers.map((power) => 10 ** power)] };
}

function niceAbove(value) {
  const steps = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21600, 43200, 86400];
  return steps.find((step) => step >= value) ?? Math.ceil(value / 86400) * 86400;
}

function gridline(y, label, width) {
  return svg(
    "g",
    { class: "grid" },
    svg("line", { x1: LEFT, x2: width - RIGHT, y1: y, y2: y }),
    svg("text", { x: LEFT - 8, y: y + 4, "text-anchor": "end" }, label),
  );
}

function bar(run, value, x, bottom, scale, width) {
  if (value === null) return null;
  const height = Math.max(Math.min(scale.of(value), 1) * PANEL, 2);
  return svg("rect", {
    class: `bar ${run.problems.length ? "bad" : "good"}`,
    "data-run": run.run.run_id,
    x: x(run.run.started_at) - width / 2,
    y: bottom - height,
    width,
    height,
    rx: 1.5,
  });
}

function hours(now, x, height, width) {
  const step = width < 600 ? 6 : 3;
  const first = new Date(now);
  first.setMinutes(0, 0, 0);
  first.setHours(Math.floor(first.getHours() / step) * step);
  const instants = [...Array(24 / step).keys()].map((index) => first - index * step * 3600e3);
  return instants.filter((instant) => now - instant < 0.99 * DAY_MS).map((instant) =>
    svg("text", { class: "hour", x: x(instant), y: height - 4, "text-anchor": "middle" }, hour(instant)),
  );
}

/** The whole height of a run answers to the pointer. With the keyboard, the table below is shorter to go through. */
function target(run, x, height, now, href) {
  const text = describe(run, now);
  const shape = svg("rect", { x: x(run.run.started_at) - 5, y: 4, width: 10, height: height - 24, rx: 3 });
  const failed = run.problems.length
    ? svg("text", { class: "cross", x: x(run.run.started_at), y: 12, "text-anchor": "middle", "aria-hidden": "true" }, "✕")
    : null;
  return svg(href ? "a" : "g", { class: "target", href, tabindex: href ? "-1" : null, "aria-label": text }, svg("title", {}, text), shape, failed);
}

function describe(run, now) {
  const moved = `${count(run.new)} new, ${count(run.changed)} changed, ${count(run.deleted)} deleted`;
  const lines = [
    `${clock(run.run.started_at, now)}: ${run.problems.length ? "failed" : "succeeded"} in ${duration(run.seconds)}`,
    moved,
    run.lag_seconds === null ? "nothing to bring" : `lag ${duration(run.lag_seconds)}`,
    ...(run.rejected ? [`${count(run.rejected)} rejected`] : []),
    ...run.problems,
  ];
  return lines.join("\n");
}
