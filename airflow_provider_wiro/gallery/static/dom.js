// Elements and words. Every text becomes a text node: nothing here reads a text as HTML.

export function el(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child || child === 0));
  return node;
}

const ICONS = {
  play: "M8 5.5v13l11-6.5z",
  note: "M9 18V6l11-2v12M9 18a3 3 0 1 1-3-3 3 3 0 0 1 3 3Zm11-2a3 3 0 1 1-3-3 3 3 0 0 1 3 3Z",
  file: "M14 3H7a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V8zm0 0v5h5",
  picture: "M4 4h16v16H4zm0 13 5-5 4 4 3-3 4 4",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  larger: "M14 4h6v6M20 4l-7 7M10 20H4v-6M4 20l7-7",
  left: "m15 5-7 7 7 7",
  right: "m9 5 7 7-7 7",
  close: "m6 6 12 12M18 6 6 18",
  alert: "M12 9v5m0 3v.01M12 3l9.5 17h-19z",
};

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  const attributes = { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" };
  for (const [key, value] of Object.entries(attributes)) svg.setAttribute(key, value);
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** A button with a text, or with a symbol that the text names. */
export function button(label, onclick, { symbol, ...attributes } = {}) {
  const name = symbol ? { "aria-label": label, title: label } : {};
  return el("button", { type: "button", onclick, ...name, ...attributes }, symbol ? icon(symbol) : label);
}

/** Also Airflow's own states are words: `up_for_retry` reads as "Up for retry". */
export function stateWord(state) {
  const words = state === "success" ? "succeeded" : String(state).replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export const badge = (state) => el("span", { class: "badge", "data-state": state }, short(stateWord(state), 40));

const NUMBER = new Intl.NumberFormat("en");
export const number = (value) => NUMBER.format(value);

export function bytes(size) {
  if (typeof size !== "number") return "";
  const units = ["bytes", "KB", "MB", "GB", "TB"];
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${unit && size < 10 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

export function duration(seconds) {
  if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes} min ${whole % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Airflow keeps the time zone that a user has chosen; without one it is the browser's. */
function timeZone() {
  try {
    const zone = localStorage.getItem("timezone").replaceAll('"', "");
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return zone;
  } catch {
    return undefined; // none is chosen, or the browser doesn't know it
  }
}

export function time(iso) {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return el("span", {}, String(iso));
  const format = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium", timeZone: timeZone() });
  return el("time", { datetime: date.toISOString(), title: iso }, format.format(date));
}

/** A text in one line, for what can't scroll: alternative texts and labels. */
export function short(text, most = 250) {
  const line = String(text).slice(0, 4 * most).replace(/\s+/g, " ").trim();
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
}

/** What a card shows of a text that may be 100,000 characters long. */
export const beginning = (text) => (text.length > 1500 ? `${text.slice(0, 1500)}…` : text);
