// Elements, and how numbers and times are written.

const SVG = "http://www.w3.org/2000/svg";

function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

/** An HTML element. Text is never read as HTML. */
export const html = (name, attributes = {}, ...children) =>
  build(document.createElement(name), attributes, children);

/** An SVG element. */
export const svg = (name, attributes = {}, ...children) =>
  build(document.createElementNS(SVG, name), attributes, children);

const NUMBER = new Intl.NumberFormat("en-GB");
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

/** A count, with thousands apart; a dash for what is not known. */
export const count = (value) => (value === null || value === undefined ? "–" : NUMBER.format(value));

/** A length of time in its two largest units. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return minutes < 10 && seconds % 60 >= 1 ? `${minutes} min ${Math.floor(seconds % 60)} s` : `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} days`;
}

/** How long ago, in whole minutes where it is that long. */
export const ago = (seconds) =>
  `${seconds < 60 ? `${Math.max(Math.round(seconds), 0)} s` : duration(Math.floor(seconds / 60) * 60)} ago`;

/** A time by its clock alone. */
export const hour = (instant) => CLOCK.format(new Date(instant));

/** A time of some hours ago, or ahead, by its clock, any other with its day. */
export function clock(instant, now) {
  const time = new Date(instant);
  return (Math.abs(now - time) < 20 * 3600e3 ? CLOCK : DAY).format(time);
}

/** The time as a person reads it, with the whole of it in UTC for who points at it. */
export const time = (instant, now) =>
  html("time", { datetime: instant, title: `${instant.slice(0, 19).replace("T", " ")} UTC` }, clock(instant, now));
