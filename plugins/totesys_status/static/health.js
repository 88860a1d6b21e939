// What state a table and the whole are in. Every state has a sign and a word of its own beside its colour.

export const STALE_MINUTES = 40; // two runs that did not come

export const STATES = {
  good: { sign: "✓", word: "Up to date" },
  warn: { sign: "!", word: "Rejected rows" },
  bad: { sign: "✕", word: "Failed" },
  held: { sign: "‖", word: "Held back" },
  reading: { sign: "…", word: "Being read" },
  none: { sign: "–", word: "Not loaded yet" },
};

/** The state of a table: the name of one of STATES. */
export function health(table) {
  if (table.held?.length) return "held";
  if (table.outcome === "failed") return "bad";
  if (table.progress) return "reading";
  if (table.kind !== "calendar" && !table.observed_at) return "none";
  return table.rejected > 0 ? "warn" : "good";
}

/** Minutes since the newest run ended; null where there was none within a day. */
export function minutesSilent(status, now) {
  if (!status.runs.length) return null;
  return (now - Math.max(...status.runs.map((run) => new Date(run.ended_at)))) / 60e3;
}

/** Whether so many runs did not come that what is shown may be old. */
export function isStale(status, now) {
  if (!status.updated_at) return false; // the first run is at work, and none has ended yet
  const silent = minutesSilent(status, now);
  return silent === null || silent > STALE_MINUTES;
}
