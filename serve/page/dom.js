// Elements, and how figures are written.

const SVG = "http://www.w3.org/2000/svg";

function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

/** An HTML element. Text is never read as HTML. */
export const html = (name, attributes = {}, ...children) => build(document.createElement(name), attributes, children);

/** An SVG element. */
export const svg = (name, attributes = {}, ...children) =>
  build(document.createElementNS(SVG, name), attributes, children);

/** What a column is called, for people. */
export const words = (name) => name.replaceAll("_", " ");

const WHOLE = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
const MONEY = new Intl.NumberFormat("en-GB", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const PERCENT = new Intl.NumberFormat("en-GB", { style: "percent", maximumFractionDigits: 1 });
const SHORT = new Intl.NumberFormat("en-GB", { notation: "compact", maximumSignificantDigits: 3 });

/** A figure in full: money with its two decimals, a share in percent; a dash for none. */
export function figure(value, told) {
  if (value === null || value === undefined) return "–";
  if (told.kind === "share") return PERCENT.format(value);
  return (told.currency ? MONEY : WHOLE).format(value);
}

/** A figure in few digits, at the side of a chart. */
export const briefly = (value, told) => (told.kind === "share" ? PERCENT.format(value) : SHORT.format(value));
