// Outputs: pictures, players, files, and what is shown where one can't be had.

import { copyButton, link, mediaUrl } from "./airflow.js";
import { detailOf } from "./data.js";
import { button, bytes, el, icon, short } from "./dom.js";

const NAMES = { image: "picture", video: "film", audio: "tune", file: "file" };
const RETRY_AFTER = 30_000; // a player may fail again later: each link to S3 lives for minutes only

export const isVisual = (media) => ["image", "video"].includes(media.kind);
export const nameOf = (media) => media.name.replaceAll("\0", "") || "(no name)";

/** What one sees or hears there, in words: the prompt, since nobody has described the output itself. */
export function altOf(card, index) {
  const many = card.media.length > 1 ? ` ${index + 1} of ${card.media.length}` : "";
  const kind = NAMES[card.media[index].kind];
  const word = kind.charAt(0).toUpperCase() + kind.slice(1);
  return `${word}${many}: ${short(card.prompt || card.title)}`;
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

/** A bare element for a picture, film or tune; calls `lost` if it can't be loaded, also not at a second try. */
export function bare(media, url, { alt, controls, lost }) {
  const node = media.kind === "image"
    ? el("img", { alt, loading: "lazy", decoding: "async", src: url })
    : el(media.kind, { "aria-label": alt, controls, preload: "metadata", playsinline: true });
  if (media.kind === "video" && !controls) node.muted = true;
  let triedAt = -Infinity;
  node.addEventListener("error", () => {
    if (performance.now() - triedAt < RETRY_AFTER) return lost();
    triedAt = performance.now();
    return media.kind === "image" ? (node.src = url) : playOn(node);
  });
  if (media.kind !== "image") {
    sources.set(node, url);
    near.observe(node);
  }
  return node;
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

/** What stands in the place of an output that can't be loaded. */
export function lostNode(media, url, again) {
  const why = el("p", {}, media.note);
  const node = el("div", { class: "plain lost" }, icon("alert"),
    el("p", { class: "strong" }, `This ${NAMES[media.kind]} can't be loaded.`), why, fileLine(media),
    button("Try again", again));
  whyLost(url).then((reason) => { why.textContent = reason || media.note; });
  return node;
}

/** Name, type and size; where it is, to copy; and a download where there is one. */
export function fileLine(media, url = null) {
  const facts = [media.content_type, bytes(media.size)].filter(Boolean).join(" · ");
  return el("div", { class: "file" },
    el("p", { class: "name", dir: "auto" }, nameOf(media)),
    facts ? el("p", { class: "dim" }, facts) : null,
    media.uri ? el("p", { class: "uri" }, el("code", {}, media.uri),
      copyButton(media.uri, "Copy", { "aria-label": `Copy the URI of ${short(nameOf(media), 60)}` })) : null,
    url ? link("Download", url, { download: true, class: "action" }) : null);
}

/** An output that is not shown as itself: a file, or one without a URL. */
export function plainNode(media, url) {
  const symbol = { image: "picture", video: "play", audio: "note", file: "file" }[media.kind];
  return el("div", { class: "plain" }, icon(symbol), fileLine(media, url),
    media.note && !url ? el("p", { class: "dim", dir: "auto" }, media.note) : null);
}

/** An output in its whole size, or as a file. */
export function wholeNode(card, index, origins) {
  const media = card.media[index];
  const url = mediaUrl(media.url, origins);
  if (url === null || media.kind === "file") return plainNode(media, url);
  const whole = el("div", { class: `whole ${media.kind}` });
  const load = () => whole.replaceChildren(
    media.kind === "audio" ? icon("note") : "",
    bare(media, url, { alt: altOf(card, index), controls: true, lost: () => whole.replaceChildren(lostNode(media, url, load)) }),
  );
  load();
  return whole;
}
