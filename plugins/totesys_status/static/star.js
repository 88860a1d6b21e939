// The star schema: facts in the middle, dimensions around them, each with its health.

import { count, svg } from "./dom.js";
import { STATES, health } from "./health.js";

const HEIGHT = 50;
const WIDE = { box: 196, gap: 160 };
const NARROW = 620; // pixels: below, there is room for two columns only

/** Draw the tables into `place`, in as many columns as it has room for. */
export function drawStar(place, tables) {
  const narrow = place.clientWidth < NARROW;
  const layout = narrow ? twoColumns(tables, place.clientWidth) : threeColumns(tables);
  const { boxes, width } = layout;
  const height = Math.max(...boxes.map((box) => box.y)) + HEIGHT + 8;
  const byName = new Map(boxes.map((box) => [box.table.name, box]));
  const edges = boxes.flatMap((box) => box.table.references.map((name) => edge(box, byName.get(name), layout)));
  place.replaceChildren(
    svg(
      "svg",
      { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "Star schema", class: layout.short ? "short" : null },
      svg("g", { class: "edges", "aria-hidden": "true" }, edges),
      boxes.map((box) => node(box, layout, place)),
    ),
  );
}

const isFact = (table) => table.kind === "fact";

function column(tables, x, tallest) {
  const step = HEIGHT + 22;
  const top = 8 + ((tallest - tables.length) * step) / 2;
  return tables.map((table, index) => ({ table, x, y: top + index * step }));
}

function threeColumns(tables) {
  const facts = tables.filter(isFact);
  const dimensions = bySharing(tables);
  const half = Math.ceil(dimensions.length / 2);
  const tallest = Math.max(facts.length, half);
  const step = WIDE.box + WIDE.gap;
  const boxes = [
    ...column(dimensions.slice(0, half), 4, tallest),
    ...column(facts, 4 + step, tallest),
    ...column(dimensions.slice(half), 4 + 2 * step, tallest),
  ];
  return { boxes, box: WIDE.box, width: 8 + 2 * step + WIDE.box, short: false };
}

function twoColumns(tables, width) {
  const facts = tables.filter(isFact);
  const dimensions = bySharing(tables);
  const tallest = Math.max(facts.length, dimensions.length);
  const box = Math.min((width - 34) / 2, WIDE.box);
  const boxes = [...column(facts, 2, tallest), ...column(dimensions, width - box - 2, tallest)];
  return { boxes, box, width, short: true };
}

/** Dimensions, those of the first fact first, so that lines cross little. */
function bySharing(tables) {
  const facts = tables.filter(isFact);
  const place = (table) => {
    const by = facts.flatMap((fact, index) => (fact.references.includes(table.name) ? [index] : []));
    return by.length ? by.reduce((sum, index) => sum + index, 0) / by.length : facts.length;
  };
  return tables.filter((table) => !isFact(table)).sort((one, other) => place(one) - place(other));
}

function edge(from, to, { box }) {
  if (!to) return null;
  const right = to.x > from.x;
  const [x1, y1] = [from.x + (right ? box : 0), from.y + HEIGHT / 2];
  const [x2, y2] = [to.x + (right ? 0 : box), to.y + HEIGHT / 2];
  const bend = (x2 - x1) / 2;
  return svg("path", {
    d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`,
    "data-from": from.table.name,
    "data-to": to.table.name,
  });
}

function node({ table, x, y }, { box, short }, place) {
  const state = health(table);
  const { sign, word } = STATES[state];
  const rows = table.rows === null ? "no rows yet" : `${count(table.rows)} rows`;
  const rejected = table.rejected ? `, ${count(table.rejected)} ${short ? "rej." : "rejected"}` : "";
  const name = short ? table.name.replace(/^(fact|dim)_/, "") : table.name; // the columns tell which they are
  const text = x + (short ? 28 : 33);
  const light = (on) => () => highlight(place, table.name, on);
  return svg(
    "a",
    {
      href: `#row-${table.name}`,
      class: `node ${state} ${table.kind}`,
      "aria-label": `${table.name}: ${word}, ${rows}${table.problem ? `, ${table.problem}` : ""}`,
      onmouseenter: light(true),
      onmouseleave: light(false),
      onfocus: light(true),
      onblur: light(false),
    },
    svg("title", {}, `${table.description}${table.problem ? `\n${word}: ${table.problem}` : ""}`),
    svg("rect", { class: "box", x, y, width: box, height: HEIGHT, rx: 8 }),
    svg("circle", { class: "dot", cx: x + (short ? 14 : 17), cy: y + 25, r: short ? 9 : 10 }),
    svg("text", { class: "sign", x: x + (short ? 14 : 17), y: y + 29, "text-anchor": "middle" }, sign),
    svg("text", { class: "name", x: text, y: y + 22 }, name),
    svg("text", { class: "rows", x: text, y: y + 39 }, rows + rejected),
  );
}

function highlight(place, name, on) {
  for (const path of place.querySelectorAll("path")) {
    path.classList.toggle("lit", on && (path.dataset.from === name || path.dataset.to === name));
  }
}
