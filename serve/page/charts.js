// Charts of a metric: days one beside the other, groups one below the other. Each tells in words what it shows.

import { briefly, figure, svg } from "./dom.js";

const HEIGHT = 150;
const LEFT = 56;
const FOOT = 20;
const ROW = 34;
export const MOST_BARS = 8;

/** Days as bars on a line of time. points: [day as YYYY-MM-DD, figure], in any order. */
export function drawDays(points, told, width, name) {
  const days = points.map(([day, value]) => [Date.parse(day), value ?? 0, day]).sort((one, other) => one[0] - other[0]);
  const [first, last] = [days[0][0], days.at(-1)[0]];
  const values = days.map(([, value]) => value);
  const [top, bottom] = [Math.max(...values, 0), Math.min(...values, 0)];
  const room = width - LEFT - 4;
  const span = Math.max((last - first) / 864e5 + 1, 1);
  const x = (day) => LEFT + ((day - first) / 864e5 / span) * room;
  const y = (value) => 6 + (1 - (value - bottom) / (top - bottom || 1)) * (HEIGHT - 12);
  const wide = Math.max((room / span) * 0.8, 1);
  return svg(
    "svg",
    { viewBox: `0 0 ${width} ${HEIGHT + FOOT}`, width, height: HEIGHT + FOOT, role: "img", "aria-label": inWords(days, told, name) },
    [...new Set([top, (top + bottom) / 2, bottom])].map((value) => [
      svg("line", { class: "grid", x1: LEFT, x2: width, y1: y(value), y2: y(value) }),
      svg("text", { class: "soft", x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, briefly(value, told)),
    ]),
    days.map(([day, value, text]) =>
      svg(
        "rect",
        { class: "bar", x: x(day), width: wide, y: Math.min(y(value), y(0)), height: Math.max(Math.abs(y(value) - y(0)), 1) },
        svg("title", {}, `${text}: ${figure(value, told)}`),
      ),
    ),
    svg("text", { class: "soft", x: LEFT, y: HEIGHT + 14 }, days[0][2]),
    days.length > 1 ? svg("text", { class: "soft", x: width, y: HEIGHT + 14, "text-anchor": "end" }, days.at(-1)[2]) : null,
  );
}

function inWords(days, told, name) {
  const most = days.reduce((one, other) => (other[1] > one[1] ? other : one));
  return `${name}: ${days.length} days from ${days[0][2]} to ${days.at(-1)[2]}, most ${figure(most[1], told)} on ${most[2]}`;
}

/** The greatest groups as bars. points: [label, figure], the greatest first. */
export function drawGroups(points, told, width, name) {
  const shown = points.slice(0, MOST_BARS);
  const most = Math.max(...shown.map(([, value]) => Math.abs(value ?? 0)), 0);
  const height = shown.length * ROW;
  const said = shown.map(([label, value]) => `${label} ${figure(value, told)}`).join("; ");
  return svg(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": `${name}: ${said}` },
    shown.map(([label, value], index) => {
      const top = index * ROW;
      const written = figure(value, told);
      return [
        svg("text", { x: 0, y: top + 13 }, shortened(label, width - 8 * written.length)),
        svg("text", { x: width, y: top + 13, "text-anchor": "end" }, written),
        svg("rect", { class: "bar", x: 0, y: top + 18, rx: 2, height: 8, width: Math.max((Math.abs(value ?? 0) / (most || 1)) * width, 1) }),
      ];
    }),
  );
}

/** A label as far as there is room for it. */
function shortened(label, room) {
  const most = Math.max(Math.floor(room / 7), 6);
  return label.length <= most ? label : `${label.slice(0, most - 1)}…`;
}
