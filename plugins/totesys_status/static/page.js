// Reads what the pipeline recorded, shows it, and does so again every 30 seconds while somebody looks.

import { drawChart } from "./chart.js";
import { questions } from "./classes.js";
import { ago, count, duration, html, time } from "./dom.js";
import { followTheme, leaveThroughOuter } from "./frame.js";
import { STATES, health, isStale, minutesSilent } from "./health.js";
import { drawStar } from "./star.js";
import { badge, rejectedRows, runRows, tableRows } from "./tables.js";
import { askToRun, isPaused, prepareDialog } from "./trigger.js";

const REFRESH_MS = 30_000;
const RUNS = "../dags/totesys_warehouse/runs";
const byId = (id) => document.getElementById(id);

let shown = null; // what was read last: { status, now, paused }
let readAt = 0;
let note = null; // a message about a run that was started
let reading = false;

/** The address of a run in Airflow; null for one from the command line. */
const runLink = (run) =>
  run.run.run_id.startsWith("command__") ? null : `${RUNS}/${encodeURIComponent(run.run.run_id)}`;

async function refresh() {
  if (reading) return;
  reading = true;
  byId("refresh").disabled = true;
  try {
    const asking = isPaused();
    const { now, status } = await read("status");
    shown = { status, now: new Date(now), paused: shown?.paused ?? false };
    readAt = Date.now();
    show();
    shown.paused = await asking; // Airflow takes longer to say than S3 does
    say("messages", ...messages());
    await showClasses();
  } catch (error) {
    showProblem(error.message);
  } finally {
    reading = false;
    byId("refresh").disabled = false;
  }
}

async function read(what) {
  const answer = await fetch(what).catch(() => {
    throw new Error("Airflow does not answer.");
  });
  if (answer.status === 401) throw new Error("Your session has ended: log in to Airflow again.");
  if (answer.status === 403) throw new Error("You may not read the DAG totesys_warehouse.");
  const document = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(document.problem ?? `Airflow answered ${answer.status}.`);
  return document;
}

/** Put something into a part of the page that is read out; what says the same is left, and not read out again. */
function say(id, ...children) {
  const next = html("div", {}, ...children);
  if (next.textContent !== byId(id).textContent) byId(id).replaceChildren(...next.childNodes);
}

function show() {
  const { status, now } = shown;
  for (const section of document.querySelectorAll("[data-when=recorded]")) section.hidden = !status;
  byId("tiles").hidden = !status;
  say("messages", ...messages());
  if (!status) {
    say("headline", "Nothing is recorded yet.");
    return;
  }
  const tables = inOrder(status);
  say("headline", ...headline(tables));
  byId("tiles").replaceChildren(...tiles(tables));
  keepFocus(() => {
    byId("table-rows").replaceChildren(...tableRows(tables, now, askToRun));
    byId("run-rows").replaceChildren(...runRows(status.runs, now, runLink));
    byId("rejected-rows").replaceChildren(...rejectedRows(status.rejected_rows, now));
    draw();
  });
  showRejectedHint(tables);
}

let classesShown = ""; // drawn anew only where they are others, as somebody may have opened a part

async function showClasses() {
  const { now, classification } = await read("classification");
  const text = JSON.stringify(classification);
  if (text === classesShown) return;
  const told = questions(classification, new Date(now));
  byId("classes").hidden = !told.length;
  byId("classes-told").replaceChildren(...told);
  classesShown = text;
}

/** Facts first, which most people ask for. */
const inOrder = (status) =>
  Object.values(status.tables).sort((one, other) => (other.kind === "fact") - (one.kind === "fact"));

function draw() {
  if (!shown?.status) return;
  drawStar(byId("star"), inOrder(shown.status));
  drawChart(byId("chart"), shown.status.runs, shown.now, runLink);
}

/** Redrawing must not take the focus from who works with the keyboard. */
function keepFocus(redraw) {
  const label = document.activeElement?.getAttribute("aria-label");
  redraw();
  if (label && document.activeElement === document.body) {
    document.querySelector(`[aria-label="${CSS.escape(label)}"]`)?.focus({ preventScroll: true });
  }
}

function messages() {
  const { status, now, paused } = shown;
  const message = (kind, ...text) => html("p", { class: `message ${kind}` }, ...text);
  const told = [];
  if (note) told.push(message("good", ...note));
  if (paused) told.push(message("warn", "The DAG is paused: no run begins until it is unpaused."));
  if (!status) {
    told.push(message("none", "The page fills with the first run: unpause the DAG, or start one with “Run now”."));
  } else if (isStale(status, now)) {
    const silent = minutesSilent(status, now);
    const since = silent === null ? "for more than a day" : `for ${duration(silent * 60)}`;
    told.push(message("bad", `No run ended ${since}. What is shown may be old; the scheduler should run every 20 minutes.`));
  }
  const since = status ? Object.values(status.tables).map((table) => table.held_since).filter(Boolean).sort()[0] : null;
  if (since) {
    const open = duration((now - new Date(since)) / 1000);
    told.push(message("warn", `A transaction has been open at the source for ${open} or more: each run reads again what changed since it began. End it there.`));
  }
  return told;
}

function headline(tables) {
  const { status, now } = shown;
  const states = tables.map(health);
  const worst = ["bad", "held", "reading", "none", "warn"].find((state) => states.includes(state)) ?? "good";
  const concerned = states.filter((state) => state === worst).length;
  const words = { bad: "failed", held: "held back", reading: "being read", none: "not loaded yet", warn: "with rejected rows" };
  const word = worst === "good" ? "All tables up to date" : `${concerned} ${concerned === 1 ? "table" : "tables"} ${words[worst]}`;
  const last = status.runs[0];
  if (!last) return [badge(isStale(status, now) && worst === "good" ? "warn" : worst, word)];
  const result = last.problems.length ? "failed" : "succeeded";
  return [badge(worst, word), " Last run ", time(last.run.started_at, now), ` ${result} in ${duration(last.seconds)}.`];
}

function tiles(tables) {
  const { status, now } = shown;
  const tile = (name, value, more = "") => html("div", {}, html("dt", {}, name), html("dd", {}, value, html("small", {}, more)));
  const read = tables.filter((table) => table.observed_at);
  const oldest = Math.min(...read.map((table) => new Date(table.observed_at)));
  const lags = status.runs.map((run) => run.lag_seconds).filter((lag) => lag !== null).sort((one, other) => one - other);
  const moved = status.runs.reduce((sum, run) => sum + run.new + run.changed + run.deleted, 0);
  const failed = status.runs.filter((run) => run.problems.length).length;
  const rejected = tables.reduce((sum, table) => sum + table.rejected, 0);
  return [
    tile("Source read", read.length ? ago((now - oldest) / 1000) : "–", "the table read longest ago"),
    tile("Lag", lags.length ? duration(lags[Math.floor(lags.length / 2)]) : "–", lags.length ? `median of 24 h; longest ${duration(lags.at(-1))}` : "nothing changed in 24 h"),
    tile("Rows moved", count(moved), "in 24 h"),
    tile("Runs", count(status.runs.length), failed ? `in 24 h, ${failed} failed` : "in 24 h, none failed"),
    tile("Rejected rows", count(rejected), rejected ? "tried again by every run" : "now"),
  ];
}

function showRejectedHint(tables) {
  const all = tables.reduce((sum, table) => sum + table.rejected, 0);
  const listed = shown.status.rejected_rows.length;
  byId("rejected-table").hidden = !listed;
  byId("rejected-hint").textContent = all
    ? `Rows that cannot be right are set aside and tried again by every run.${listed < all ? ` ${count(listed)} of ${count(all)} are listed; the files hold all.` : ""}`
    : "No row is rejected.";
}

function showProblem(text) {
  const old = shown?.status ? " What is shown was read earlier." : "";
  say("messages", html("p", { class: "message bad" }, text + old));
  if (!shown) say("headline", "The recorded state cannot be read.");
}

function showAge() {
  byId("refreshed").textContent = readAt
    ? `Read ${ago((Date.now() - readAt) / 1000)}. It is read again every 30 seconds while the page is in view.`
    : "";
}

function watch() {
  setInterval(() => {
    showAge();
    if (!document.hidden && Date.now() - readAt >= REFRESH_MS) refresh();
  }, 1000);
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  let waiting;
  window.addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(draw, 150);
  });
}

followTheme();
leaveThroughOuter();
prepareDialog((runId) => {
  note = ["Started ", html("a", { href: `${RUNS}/${encodeURIComponent(runId)}` }, runId), ". It shows here when it has ended."];
  show();
});
byId("refresh").addEventListener("click", refresh);
byId("run-all").addEventListener("click", () => askToRun(""));
byId("legend").append(...Object.keys(STATES).map((state) => badge(state)));
refresh().then(watch);
