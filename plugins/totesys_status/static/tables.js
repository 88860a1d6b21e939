// The tables of the page: warehouse tables, runs, rejected rows.

import { ago, clock, count, duration, html, time } from "./dom.js";
import { STATES, health } from "./health.js";

const cell = (label, text, attributes = {}) => html("td", { "data-label": label, ...attributes }, text);
const number = (label, text, title) => cell(label, text, { class: "number", title });

/** A table's state as a sign and a word. */
export function badge(state, word = STATES[state].word) {
  return html("span", { class: `badge ${state}` }, html("span", { "aria-hidden": "true" }, STATES[state].sign), ` ${word}`);
}

/** The row of each warehouse table; `run` is called with a table's name and the deletions to accept. */
export const tableRows = (tables, now, run) => tables.map((table) => tableRow(table, now, run));

function tableRow(table, now, run) {
  const load = table.last_load ?? {};
  const age = table.observed_at ? ago((now - new Date(table.observed_at)) / 1000) : "–";
  return html(
    "tr",
    { id: `row-${table.name}`, tabindex: "-1" },
    html("th", { scope: "row", title: table.description }, table.name, html("small", {}, origin(table))),
    cell("Health", [badge(health(table)), progress(table, now), table.problem ? html("small", { class: "problem" }, table.problem) : null].flat()),
    number("Read", age, table.observed_at),
    number("Lag", duration(load.lag_seconds)),
    number("Rows", count(table.rows)),
    proven(table, now),
    cell("Last load", load.loaded_at ? time(load.loaded_at, now) : "–", { class: "number" }),
    number("New", count(load.new)),
    number("Changed", count(load.changed)),
    number("Deleted", count(load.deleted)),
    number("Rejected", table.rejected ? html("a", { href: "#rejected-title" }, count(table.rejected)) : count(table.rejected)),
    cell("", [html("button", { type: "button", "aria-label": `Run ${table.name}`, onclick: () => run(table.name) }, "Run"), accept(table, run)].flat()),
  );
}

/** How far a table is that is read in slices, and when the last of them will be read. */
function progress(table, now) {
  if (!table.progress) return [];
  const { done, slices, ends_at: ends } = table.progress;
  return [html("small", {}, `${count(done)} of ${count(slices)} slices${ends ? `, until about ${clock(ends, now)}` : ""}`)];
}

/** How much of a table was held against the source within a day, value by value, and how old the oldest proof is. */
function proven(table, now) {
  if (!table.proven) return number("Proven", "–");
  const oldest = table.proven.oldest_at;
  const age = oldest ? `oldest proof ${ago((now - new Date(oldest)) / 1000)}` : "some rows are still to be proven";
  return number("Proven", [`${Math.floor(table.proven.share * 100)} %`, html("small", {}, age)]);
}

/** What lets a table go on that is held back, since most rows of its sources are gone. */
function accept(table, run) {
  if (!table.held?.length) return [];
  const name = { "aria-label": `Accept deletions of ${table.name}` };
  return [html("button", { type: "button", ...name, onclick: () => run(table.name, table.held) }, "Accept deletions")];
}

/** Where its rows are to be found, for a fact, or come from. */
const origin = (table) => table.view || (table.sources.length ? `from ${table.sources.join(", ")}` : "made, not read");

/** The row of each run; `link` gives its address in Airflow, or null. */
export const runRows = (runs, now, link) => runs.map((run) => runRow(run, now, link(run)));

function runRow(run, now, href) {
  const began = time(run.run.started_at, now);
  const state = run.problems.length ? "bad" : "good";
  const asked = run.run.tables.length ? html("small", {}, run.run.tables.join(", ")) : null;
  const problems = run.problems.map((problem) => html("small", { class: "problem" }, problem));
  return html(
    "tr",
    {},
    html("th", { scope: "row", title: run.run.run_id }, href ? html("a", { href }, began) : began, asked),
    cell("Result", [badge(state, run.problems.length ? "Failed" : "Succeeded"), ...problems]),
    number("Duration", duration(run.seconds)),
    number("Lag", duration(run.lag_seconds)),
    number("New", count(run.new)),
    number("Changed", count(run.changed)),
    number("Deleted", count(run.deleted)),
    number("Rejected", count(run.rejected)),
    number("Healed", count(run.healed ?? 0)),
  );
}

/** The row of each rejected row. */
export const rejectedRows = (rows, now) => rows.map((row) => rejectedRow(row, now));

function rejectedRow(row, now) {
  const name = row.file.split("/").pop();
  const href = `rejected?file=${encodeURIComponent(row.file)}`;
  return html(
    "tr",
    {},
    html("th", { scope: "row" }, row.table),
    number("Key", String(row.key)),
    cell("Reason", row.reason, { class: "reason" }),
    cell("Last tried", time(row.at, now)),
    cell("File", html("a", { href, download: name, title: row.file, "aria-label": `Download ${name}` }, "CSV")),
  );
}
