// The chapter on classification: what will not settle soon, what the model says, how it did, and who was champion.

import { count, html, time } from "./dom.js";

const AMOUNT = new Intl.NumberFormat("en-GB", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const NUMBERS = ["Sum", "Amount", "Likely"];
const cell = (label, text, attributes = {}) => html("td", { "data-label": label, ...attributes }, text);
const money = (amount) => AMOUNT.format(amount);
const percent = (share) => `${(share * 100).toFixed(1)} %`;
const row = (first, ...cells) => html("tr", {}, html("th", { scope: "row" }, first), ...cells);

/** The questions of which something is shown, each as a list of elements. */
export function questions(classification, now) {
  return Object.entries(classification?.questions ?? {}).map(([name, told]) => question(name, told, now)).flat();
}

function question(name, told, now) {
  return [
    html("h3", {}, told.description),
    ...watched(told),
    ...soon(name, told),
    ...model(name, told),
    ...history(name, told, now),
  ];
}

function watched(told) {
  const found = told.watched;
  if (!found) return [html("p", { class: "hint" }, "No model is champion yet: the task classify.train makes one, where one is better than the majority.")];
  const warn = (text) => html("p", { class: "message warn" }, text);
  const messages = found.missed.map((day) => {
    const one = found.days.find((other) => other.day === day);
    return warn(`Of ${count(one.rows)} rows that were due on ${day}, ${count(one.came)} were done; ${count(Math.round(one.expected))} were expected.`);
  });
  if (found.since) messages.push(warn(`The model has been wrong since ${found.since}; a new one is trained on what came since.`));
  for (const [feature, index] of Object.entries(found.drifted)) messages.push(warn(`Drift of ${feature}: ${index}.`));
  return messages.length ? messages : [html("p", { class: "hint" }, "What came of the last four weeks is what the model said.")];
}

function table(caption, heads, rows) {
  const head = html("tr", {}, ...heads.map((text) => html("th", { scope: "col", class: NUMBERS.includes(text) ? "number" : null }, text)));
  const whole = html("table", { class: "cards" }, html("caption", { class: "unseen" }, caption), html("thead", {}, head), html("tbody", {}, ...rows));
  return html("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, whole);
}

function soon(name, told) {
  if (!told.scored_at) return [];
  if (!told.soon.length) return [html("p", { class: "hint" }, "Everything that is due in the next seven days will settle.")];
  const rows = told.soon.map((one) =>
    row(one.key, cell("Due", one.due), cell("Counterparty", one.party), cell("Amount", `${money(one.amount)} ${one.currency}`, { class: "number" }),
      cell("Likely", percent(one.probability), { class: "number" }), cell("Why", one.reasons, { class: "reason" }), cell("Would settle on", one.would_settle_on ?? "–")),
  );
  const sums = told.sums.map((one) => row(one.of, cell("Currency", one.currency), cell("Rows", count(one.rows)), cell("Sum", money(one.amount), { class: "number" })));
  const parties = told.parties.map((one) => row(one.of, cell("Currency", one.currency), cell("Rows", count(one.rows)), cell("Sum", money(one.amount), { class: "number" })));
  return [
    table(`${name}: due in the next seven days, by currency`, ["Class", "Currency", "Rows", "Sum"], sums),
    html("details", {}, html("summary", {}, "What will not settle, by counterparty"),
      table(`${name}: will not settle, by counterparty`, ["Counterparty", "Currency", "Rows", "Sum"], parties)),
    html("details", {}, html("summary", {}, `What will not settle, one by one (${count(told.soon.length)})`),
      table(`${name}: will not settle, one by one`, ["Key", "Due", "Counterparty", "Amount", "Likely", "Why", "Would settle on"], rows)),
  ];
}

function model(name, told) {
  const card = told.card ?? told.contest;
  if (!card) return [];
  const rows = card.verdicts.map((one) =>
    row(one.name, cell("Brier score", one.brier.toFixed(4)), cell("Accuracy", percent(one.accuracy)), cell("AUC", one.auc === null ? "–" : one.auc.toFixed(3)),
      cell("Calibration error", one.calibration_error.toFixed(3))),
  );
  return [
    html("details", {}, html("summary", {}, `The model${card.version ? `: ${card.kind} ${card.version}` : ""}`),
      html("p", {}, card.why),
      html("ul", {}, ...card.rules.map((rule) => html("li", {}, rule))),
      html("p", {}, `Learned from ${count(card.rows)} of ${count(card.population)} rows from ${card.since} to ${card.as_of}; judged on ${card.folds.join(", ") || "nothing"}.`),
      card.not_for ? html("p", {}, card.not_for) : "",
      table(`${name}: how the candidates did`, ["Candidate", "Brier score", "Accuracy", "AUC", "Calibration error"], rows)),
  ];
}

function history(name, told, now) {
  if (!told.promotions.length) return [];
  const rows = told.promotions.toReversed().map((one) => row(one.version, cell("Since", time(one.at, now)), cell("Why", one.why, { class: "reason" })));
  return [html("details", {}, html("summary", {}, "Champions until now"), table(`${name}: champions until now`, ["Version", "Since", "Why"], rows))];
}
