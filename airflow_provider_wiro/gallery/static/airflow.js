// What the page has to do with Airflow: where it is mounted, its colours, and links out of its sandbox.

import { button, el } from "./dom.js";

export const page = document.documentElement.dataset; // root, kind, url: filled in by the server

// Airflow shows the page in an iframe of its own origin, whose sandbox allows scripts and no new windows.
const outer = outerDocument();

function outerDocument() {
  try {
    return window.parent === window ? null : window.parent.document;
  } catch {
    return null; // a page of another origin, which the Content-Security-Policy doesn't allow anyway
  }
}

export const path = (...parts) => `${page.root}/${parts.map((part) => encodeURIComponent(part)).join("/")}`;

/** The URL of a path within Airflow, or of another host; null for anything else, such as `javascript:`. */
export function safeUrl(url) {
  if (typeof url !== "string") return null;
  try {
    if (url.startsWith("/")) {
      const own = new URL(page.root + url, location.origin);
      return own.origin === location.origin && !url.startsWith("//") ? own.href : null;
    }
    const other = new URL(url);
    return ["https:", "http:"].includes(other.protocol) ? other.href : null;
  } catch {
    return null; // no URL at all
  }
}

/** The URL of bytes to show: the gallery's own media, or what comes from an origin that the server has named. */
export function mediaUrl(url, origins) {
  const safe = safeUrl(url);
  if (safe === null) return null;
  const { origin, pathname } = new URL(safe);
  const own = origin === location.origin && pathname.startsWith(`${page.root}/wiro/media/`);
  return own || (origin !== location.origin && origins.includes(origin)) ? safe : null;
}

/** A link; null if its URL is none to follow. */
export function link(label, url, attributes = {}) {
  const href = safeUrl(url);
  return href && el("a", { href, target: "_blank", rel: "noopener noreferrer", class: "action", ...attributes }, label);
}

// In the iframe a link's twin in Airflow's own page is followed, since the sandbox opens no windows.
function follow(event) {
  const anchor = event.target instanceof Element ? event.target.closest("a") : null;
  if (anchor === null || outer === null || event.button > 1) return;
  event.preventDefault();
  const twin = outer.createElement("a");
  for (const name of ["href", "target", "rel", "download"]) {
    if (anchor.hasAttribute(name)) twin.setAttribute(name, anchor.getAttribute(name));
  }
  outer.body.append(twin);
  twin.click();
  twin.remove();
}

/** Light or dark, and the font, as Airflow has them now; alone in a tab as the browser prefers. */
function wearAirflowsClothes() {
  const theirs = outer?.documentElement;
  const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");
  const wear = () => {
    const words = theirs ? [...theirs.classList, theirs.dataset.theme, theirs.style.colorScheme] : [];
    page.theme = ["dark", "light"].find((word) => words.includes(word)) ?? (prefersDark.matches ? "dark" : "light");
    if (outer) document.documentElement.style.fontFamily = window.parent.getComputedStyle(outer.body).fontFamily;
  };
  wear();
  prefersDark.addEventListener("change", wear);
  if (theirs) new MutationObserver(wear).observe(theirs, { attributes: true, attributeFilter: ["class", "data-theme", "style"] });
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // No clipboard without https: the old way needs a selection in the dialog, if one is open.
    const area = el("textarea", { class: "unseen" });
    const focused = document.activeElement;
    area.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    focused?.focus();
    return done;
  }
  return true;
}

/** A button that says for a moment whether it has copied. */
export function copyButton(text, label, symbol = null, attributes = { class: "quiet" }) {
  const node = button(label, async () => {
    node.replaceChildren((await copy(text)) ? "Copied" : "Not copied");
    setTimeout(() => node.replaceChildren(...face), 1500);
  }, { symbol, ...attributes });
  const face = [...node.childNodes];
  return node;
}

export function settleIn() {
  wearAirflowsClothes();
  document.documentElement.classList.toggle("framed", outer !== null);
  document.addEventListener("click", follow);
  document.addEventListener("auxclick", follow);
}
