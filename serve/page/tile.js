// A metric's tile: what it is, a chart of one currency and kind at a time, and all of it as a table.

import { MOST_BARS, drawDays, drawGroups } from "./charts.js";
import { figure, html, words } from "./dom.js";

const MOST_ROWS = 500;

/** An empty tile of a metric. Gives what shows rows in it, or says what is wrong. */
export function makeTile(name, metric) {
  const chart = html("div");
  const table = html("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${metric.title}, as a table` });
  const problem = html("p", { class: "message", hidden: true });
  const value = chooser("Show", () => draw());
  const panel = chooser("of", () => draw());
  const details = html(
    "details",
    { hidden: true, ontoggle: () => details.open && table.replaceChildren(tableOf(metric, rows)) },
    html("summary", {}, "All figures"),
    table,
  );
  let rows = [];
  value.offer(metric.values.map((one) => [one.name, words(one.name)]), preferred(metric).name);
  const tile = html(
    "section",
    { "aria-labelledby": `title-${name}`, "aria-busy": "true" },
    html("h2", { id: `title-${name}` }, metric.title),
    metric.description ? html("p", {}, metric.description) : null,
    html("div", { class: "choices" }, value.label, panel.label),
    problem,
    chart,
    details,
  );
  const draw = () => {
    const told = metric.values.find((one) => one.name === value.chosen());
    chart.replaceChildren(...chartOf(metric, told, rows, panel.chosen(), Math.max(chart.clientWidth, 200)));
  };
  const done = (text) => {
    problem.textContent = text;
    problem.hidden = !text;
    details.hidden = !rows.length;
    details.open = false;
    tile.setAttribute("aria-busy", "false");
  };
  const show = (found) => {
    rows = found;
    panel.offer(panelsOf(metric, rows).map(([key, , title]) => [key, title]), panel.chosen());
    done("");
    draw();
  };
  return { tile, draw, show, fail: done };
}

/** A choice among some, which is hidden where there is none. */
function chooser(text, onchange) {
  const select = html("select", { onchange });
  const label = html("label", { hidden: true }, text, select);
  const offer = (options, chosen) => {
    select.replaceChildren(...options.map(([value, said]) => html("option", { value, selected: value === chosen }, said)));
    label.hidden = options.length < 2;
  };
  return { label, offer, chosen: () => select.value };
}

/** What is drawn at first: a share, else money, else what comes first. */
const preferred = ({ values }) => values.find(({ kind }) => kind === "share") ?? values.find(({ currency }) => currency) ?? values[0];

/** What a metric's columns are for: its days, what tells the currency, and all others. */
function parts(metric) {
  const day = metric.by.find(({ type }) => type === "date");
  const money = new Set(metric.values.map(({ currency }) => currency).filter(Boolean));
  const ofMoney = metric.by.filter(({ of }) => isOfMoney(metric, money, of));
  return { day, ofMoney, others: metric.by.filter((by) => by !== day && !ofMoney.includes(by)) };
}

/** What is drawn apart, since it is not to be added or compared: [key, rows, title], that of most rows first. */
function panelsOf(metric, rows) {
  const { day, ofMoney, others } = parts(metric);
  const apart = day ? [...others, ...ofMoney] : ofMoney;
  const found = [...grouped(rows, apart)].map(([key, some]) => [key, some, label(some[0], named(apart, ofMoney))]);
  return found.sort((one, other) => other[1].length - one[1].length);
}

function chartOf(metric, told, rows, chosen, width) {
  const [, found, title] = panelsOf(metric, rows).find(([key]) => key === chosen) ?? [];
  if (!found) return [html("p", {}, "Nothing yet.")];
  const { day, others } = parts(metric);
  const name = [metric.title, words(told.name), title].filter(Boolean).join(", ");
  if (day) {
    const points = found.filter((row) => row[day.name] !== null).map((row) => [row[day.name], row[told.name]]);
    return points.length ? [drawDays(points, told, width, name)] : [html("p", {}, "Nothing yet.")];
  }
  const points = ranked(found.map((row) => [label(row, others) || title || metric.title, row[told.name]]));
  const more = points.length - MOST_BARS;
  return [drawGroups(points, told, width, name), ...(more > 0 ? [html("p", {}, `and ${more} more`)] : [])];
}

/** Whether a column tells the currency: the one that money is in, or what that refers to. */
function isOfMoney(metric, money, of) {
  return metric.by.some((by) => money.has(by.name) && by.of === of);
}

/** Rows by what these columns hold, in their order. */
function grouped(rows, columns) {
  const found = new Map();
  for (const row of rows) {
    const key = JSON.stringify(columns.map(({ name }) => row[name]));
    found.set(key, [...(found.get(key) ?? []), row]);
  }
  return found;
}

const ranked = (points) => points.sort((one, other) => (other[1] ?? -Infinity) - (one[1] ?? -Infinity));

/** Columns without the number of a currency whose code is among them. */
const named = (columns, ofMoney) =>
  columns.filter((column) => !ofMoney.includes(column) || !/int/.test(column.type) || ofMoney.every(({ type }) => /int/.test(type)));

/** What a row is called: by what these columns hold. */
function label(row, columns) {
  return columns.map(({ name }) => row[name]).filter((value) => value !== null && value !== undefined).join(" · ");
}

function tableOf(metric, rows) {
  const columns = [...metric.by, ...metric.values];
  const isNumber = (column) => Boolean(column.kind);
  const head = columns.map((column) => html("th", { scope: "col", class: isNumber(column) ? "number" : null }, words(column.name)));
  const body = rows.slice(0, MOST_ROWS).map((row) =>
    html(
      "tr",
      {},
      columns.map((column) =>
        isNumber(column) ? html("td", { class: "number" }, figure(row[column.name], column)) : html("td", {}, String(row[column.name] ?? "–")),
      ),
    ),
  );
  const more = rows.length > MOST_ROWS ? [html("caption", {}, `The first ${MOST_ROWS} of ${rows.length} rows`)] : [];
  return html("table", {}, more, html("thead", {}, html("tr", {}, head)), html("tbody", {}, body));
}
