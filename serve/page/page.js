// The start page: asks for a key, keeps it in this tab, and shows a tile for each metric.

import { Refused, findMetrics, readMetric } from "./api.js";
import { makeTile } from "./tile.js";

const KEPT = "warehouse-key";
const AT_ONCE = 3;

const at = (id) => document.getElementById(id);
let tiles = new Map();

function say(text) {
  at("message").textContent = text;
  at("message").hidden = !text;
}

function showAccess(open) {
  at("access").hidden = open;
  at("open").hidden = !open;
}

/** Fill the tiles, a few at a time. A key that is refused is forgotten. */
async function load(key) {
  say("");
  try {
    const metrics = await findMetrics();
    tiles = new Map(metrics.map(([name, metric]) => [name, tiles.get(name) ?? makeTile(name, metric)]));
    at("metrics").replaceChildren(...[...tiles.values()].map(({ tile }) => tile));
    showAccess(true);
    const left = [...tiles];
    const read = new Set();
    const work = async () => {
      for (let next = left.shift(); next; next = left.shift()) {
        const readAt = await fill(...next, key);
        if (readAt) read.add(readAt);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    at("read").textContent = read.size ? `The source was read ${written([...read].sort()[0])}.` : "";
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    say(error.message);
    if (error.status === 401) forget();
  }
}

async function fill(name, { show, fail }, key) {
  try {
    const { rows, readAt } = await readMetric(name, key);
    show(rows);
    return readAt;
  } catch (error) {
    if (!(error instanceof Refused) || error.status === 401) throw error;
    fail(error.message);
    return null;
  }
}

const written = (instant) =>
  new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" }).format(new Date(instant));

function forget() {
  sessionStorage.removeItem(KEPT);
  tiles = new Map();
  at("metrics").replaceChildren();
  at("read").textContent = "";
  showAccess(false);
  at("key").focus();
}

at("access").addEventListener("submit", (event) => {
  event.preventDefault();
  const key = at("key").value.trim();
  at("key").value = "";
  if (!key) return;
  sessionStorage.setItem(KEPT, key);
  load(key);
});
at("refresh").addEventListener("click", () => load(sessionStorage.getItem(KEPT)));
at("forget").addEventListener("click", () => {
  forget();
  say("");
});

let wide = innerWidth;
addEventListener("resize", () => {
  if (innerWidth === wide) return;
  wide = innerWidth;
  for (const { draw } of tiles.values()) draw();
});

const kept = sessionStorage.getItem(KEPT);
if (kept) load(kept);
