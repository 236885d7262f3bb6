// Elements and words. Every text becomes a text node: nothing here reads a text as HTML.

export function el(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

const ICONS = {
  play: "M8 5.5v13l11-6.5z",
  note: "M9 18V6l11-2v12M9 18a3 3 0 1 1-3-3 3 3 0 0 1 3 3Zm11-2a3 3 0 1 1-3-3 3 3 0 0 1 3 3Z",
  file: "M14 3H7a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V8zm0 0v5h5",
  picture: "M5 4h14a1 1 0 0 1 1 1v14a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1Zm-1 13 5-5 4 4 3-3 4 4",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  out: "M14 4h6v6M20 4l-9 9M18 14v6H4V6h6",
  left: "m15 5-7 7 7 7",
  right: "m9 5 7 7-7 7",
  close: "m6 6 12 12M18 6 6 18",
  alert: "M12 8v5m0 3.5v.01M12 3l9.5 17h-19z",
};

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

export function button(label, onclick, { symbol, ...attributes } = {}) {
  const text = symbol && attributes["aria-label"] ? "" : label;
  return el("button", { type: "button", onclick, ...attributes }, symbol ? icon(symbol) : "", text);
}

const STATES = {
  queued: "Queued",
  running: "Running",
  succeeded: "Succeeded",
  success: "Succeeded",
  reused: "Reused",
  failed: "Failed",
  cancelled: "Cancelled",
  skipped: "Skipped",
  not_run: "Not run",
};

// Airflow's own states are words, too: `up_for_retry` reads as "Up for retry".
export function stateWord(state) {
  const words = String(state).replaceAll("_", " ");
  return STATES[state] ?? words.charAt(0).toUpperCase() + words.slice(1);
}

export function badge(state) {
  return el("span", { class: "badge", "data-state": state }, stateWord(state));
}

const NUMBER = new Intl.NumberFormat("en");
export const number = (value) => NUMBER.format(value);

export function plural(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`;
}

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
  if (seconds < 60) return `${seconds < 10 ? Math.round(seconds * 10) / 10 : Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

// Airflow keeps the time zone that its user has chosen under this key.
function timeZone() {
  try {
    const kept = localStorage.getItem("timezone");
    const zone = kept && kept.startsWith('"') ? JSON.parse(kept) : kept;
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return zone || undefined;
  } catch {
    return undefined; // no storage here, or no such zone: the browser's own
  }
}

export function time(iso) {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return el("span", {}, String(iso));
  const shown = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium", timeZone: timeZone() });
  return el("time", { datetime: date.toISOString(), title: iso }, shown.format(date));
}

// Long texts are cut for what can't scroll: alternative texts and titles.
export function short(text, most = 250) {
  const line = String(text).replace(/\s+/g, " ").trim();
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
}
