// What the API is asked: which metrics there are, and their rows.

const MOST_PAGES = 10;

/** What is wrong, in a sentence for people. */
export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

/** The metrics that the description tells of: [name, what is told of it]. */
export async function findMetrics() {
  const { paths } = await (await asked("/openapi.json", {})).json();
  return Object.entries(paths)
    .filter(([, { get }]) => get?.["x-metric"])
    .map(([path, { get }]) => [path.split("/").at(-1), get["x-metric"]]);
}

/** All rows of a metric, page by page, and when the source was read. Raises: Refused. */
export async function readMetric(name, key) {
  const rows = [];
  let readAt = null;
  let next = `/v1/metrics/${encodeURIComponent(name)}?limit=10000`;
  for (let page = 0; next && page < MOST_PAGES; page += 1) {
    const answer = await asked(next, { Authorization: `Bearer ${key}` });
    rows.push(...(await answer.json()));
    readAt = answer.headers.get("Source-Read-At");
    next = linked(answer.headers.get("Link"));
  }
  return { rows, readAt };
}

/** The next page's address, on this server, or null. */
function linked(header) {
  const found = header?.match(/<([^>]+)>\s*;\s*rel="?next"?/);
  if (!found) return null;
  const address = new URL(found[1], location.href);
  return address.origin === location.origin ? address.pathname + address.search : null;
}

async function asked(address, headers) {
  let answer;
  try {
    answer = await fetch(address, { headers });
  } catch {
    throw new Refused(0, "The server does not answer. Try again.");
  }
  if (!answer.ok) throw new Refused(answer.status, await told(answer));
  return answer;
}

const SAID = {
  401: "The key is not known, or has expired.",
  403: "The key does not cover this metric.",
  429: "Too many requests with this key. Try again in a minute.",
  503: "The warehouse does not answer. Try again.",
};

async function told(answer) {
  if (SAID[answer.status]) return SAID[answer.status];
  const problem = await answer.json().catch(() => ({}));
  return problem.detail ?? problem.title ?? `The server answered ${answer.status}.`;
}
