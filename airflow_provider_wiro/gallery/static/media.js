// Outputs: pictures, players, files, and what is shown where one can't be had.

import { copyButton, link, mediaUrl } from "./airflow.js";
import { detailOf } from "./data.js";
import { button, bytes, el, icon, short } from "./dom.js";

const KINDS = { image: ["picture", "picture"], video: ["film", "play"], audio: ["tune", "note"], file: ["file", "file"] };
const RETRY_AFTER = 30_000; // milliseconds
const LINK_AGE = 120_000; // milliseconds after which a link to S3 may have expired: it lives for minutes

export const nameOf = (media) => media.name.replaceAll("\0", "") || "(no name)";

/** What one sees or hears there, in words: the prompt, since nobody has described the output itself. */
function altOf(card, index) {
  const many = card.media.length > 1 ? ` ${index + 1} of ${card.media.length}` : "";
  const [word] = KINDS[card.media[index].kind];
  return `${word.charAt(0).toUpperCase()}${word.slice(1)}${many}: ${short(card.prompt || card.title)}`;
}

// Players get their source when they come near the window: 60 films at once would block each other.
const sources = new WeakMap();
const near = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    near.unobserve(target);
    target.src = sources.get(target);
  }
}, { rootMargin: "300px" });

/** A picture, film or tune. If it can't be loaded, also not at a second try, it says so in its place. */
export function live(card, index, origins, { controls = true, around = [], label = {} } = {}) {
  const media = card.media[index];
  const url = mediaUrl(media.url, origins);
  const alt = altOf(card, index);
  const box = el("div", { class: `live ${media.kind}`, ...label });
  const load = () => {
    const isImage = media.kind === "image";
    const node = isImage
      ? el("img", { alt, loading: "lazy", decoding: "async", src: url })
      : el(media.kind, { "aria-label": alt, controls, preload: "metadata", playsinline: true, tabindex: controls ? 0 : -1 });
    let triedAt = -Infinity;
    let loadedAt = performance.now();
    node.addEventListener("stalled", () => { // Chromium asks an expired link again and again, and reports no error
      if (performance.now() - loadedAt < LINK_AGE) return;
      loadedAt = performance.now();
      playOn(node);
    });
    node.addEventListener("error", () => {
      const isLost = performance.now() - triedAt < RETRY_AFTER;
      triedAt = performance.now();
      if (isLost) box.replaceChildren(lostNode(media, url, load), ...(controls ? [] : around));
      else if (isImage) node.src = url;
      else playOn(node);
    });
    box.replaceChildren(node, ...around);
    if (isImage) return;
    sources.set(node, url);
    near.observe(node);
  };
  load();
  return box;
}

/** Load a film or tune again, and continue where it was. */
function playOn(player) {
  const { currentTime, paused } = player;
  player.addEventListener("loadedmetadata", () => {
    if (currentTime) player.currentTime = currentTime;
    if (!paused) player.play().catch(() => {}); // the browser wants a click first: its own controls are there
  }, { once: true });
  player.load();
}

async function whyLost(url) {
  if (new URL(url).origin !== location.origin) return "";
  const stop = new AbortController();
  try {
    const response = await fetch(url, { redirect: "manual", signal: stop.signal });
    const isFine = response.ok || response.type === "opaqueredirect";
    return isFine ? "The store doesn't answer this browser, or the browser can't show it." : await detailOf(response);
  } catch {
    return "Airflow doesn't answer.";
  } finally {
    stop.abort();
  }
}

function lostNode(media, url, again) {
  const why = el("p", { class: "dim" });
  whyLost(url).then((reason) => { why.textContent = reason || media.note; });
  const words = el("p", {}, `This ${KINDS[media.kind][0]} can't be loaded.`);
  return el("div", { class: "plain lost" }, icon("alert"), words, why, uriLine(media), button("Try again", again, { class: "quiet" }));
}

function uriLine({ uri }) {
  return uri && el("p", { class: "uri" }, el("code", {}, uri), copyButton(uri, "Copy the URI", "copy"));
}

/** Name, type and size; where it is, to copy; and a download where there is one. */
export function fileLine(media, url = null) {
  const facts = [media.content_type, bytes(media.size)].filter(Boolean).join(" · ");
  return el("div", { class: "file" },
    el("p", { class: "name", dir: "auto" }, nameOf(media)),
    facts && el("p", { class: "dim" }, facts),
    uriLine(media),
    url && link("Download", url, { download: true }));
}

/** An output that is not shown as itself: a file, or one without a URL. */
export function plain(media, origins) {
  const url = mediaUrl(media.url, origins);
  const note = !url && media.note && el("p", { class: "dim", dir: "auto" }, media.note);
  return el("div", { class: "plain" }, icon(KINDS[media.kind][1]), fileLine(media, url), note);
}

/** Whether an output can be shown as itself. */
export const isShown = (media, origins) => media.kind !== "file" && mediaUrl(media.url, origins) !== null;
