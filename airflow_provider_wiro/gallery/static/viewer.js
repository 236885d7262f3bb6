// The larger view: one output at a time, with everything that is known of its run.

import { cutBy, factsOf, linksOf, parametersOf, stateOf } from "./about.js";
import { link, mediaUrl } from "./airflow.js";
import { nothing } from "./cards.js";
import { badge, button, el, number } from "./dom.js";
import { fileLine, isShown, live, plain } from "./media.js";

const TEXT = -1;

/** What a card has to look at: its outputs, then its text. A card with neither has one view, too. */
function viewsOf(card) {
  const views = card.media.map((_, index) => ({ card, index }));
  return card.text || card.error || !views.length ? [...views, { card, index: TEXT }] : views;
}

const figure = el("div", { class: "figure" });
const about = el("div", { class: "about", tabindex: 0, role: "region", "aria-label": "About it" });
const count = el("p", { "aria-live": "polite" });
const previous = button("Previous", () => move(-1), { symbol: "left", class: "quiet" });
const next = button("Next", () => move(1), { symbol: "right", class: "quiet" });
const close = button("Close", () => dialog.close(), { symbol: "close", class: "quiet" });
const dialog = el("dialog", { class: "viewer" },
  el("div", { class: "bar" }, count, previous, next, close), el("div", { class: "both" }, figure, about));

let views = [];
let at = 0;
let origins = [];
let source = null; // the section whose cards are shown

/** Open at an output of a card, -1 is its text, else at its first view; a film at this time. */
export function openViewer(section, cardId, index, time, allowed) {
  [source, origins, views] = [section, allowed, section.cards().flatMap(viewsOf)];
  const isOwn = (view) => view.card.id === cardId;
  const exact = views.findIndex((view) => isOwn(view) && view.index === index);
  at = Math.max(exact, exact === -1 ? views.findIndex(isOwn) : 0);
  for (const player of document.querySelectorAll("main video, main audio")) player.pause();
  document.body.append(dialog);
  show();
  const film = time ? figure.querySelector("video") : null;
  film?.addEventListener("loadedmetadata", () => { film.currentTime = time; }, { once: true });
  dialog.showModal();
  close.focus();
}

/** After the section was read again: the same output, among the cards that are there now. */
export function refreshViewer(section) {
  if (!dialog.open || section !== source) return;
  const { card, index } = views[at];
  const now = section.cards().flatMap(viewsOf);
  const isOwn = (view) => view.card.id === card.id;
  const isEmpty = index === TEXT && !card.text && !card.error; // one waits for what it makes
  const exact = now.findIndex((view) => isOwn(view) && view.index === index);
  const found = exact === -1 && isEmpty ? now.findIndex(isOwn) : exact;
  if (found === -1) return; // what one looks at stays until one closes it
  const hasChanged = JSON.stringify(now[found].card) !== JSON.stringify(card);
  [views, at] = [now, found];
  label();
  if (hasChanged && isEmpty) show();
  else if (hasChanged) about.replaceChildren(...aboutOf(views[at]));
}

function move(step) {
  if (!views[at + step]) return;
  at += step;
  show();
}

function label() {
  count.textContent = `${number(at + 1)} of ${number(views.length)}`;
  previous.disabled = at === 0;
  next.disabled = at === views.length - 1;
  dialog.setAttribute("aria-label", views[at].card.title);
}

function show() {
  const { card, index } = views[at];
  const media = card.media[index];
  label();
  const text = card.text || card.error;
  if (media) figure.replaceChildren(isShown(media, origins) ? live(card, index, origins) : plain(media, origins));
  else figure.replaceChildren(text ? el("div", { class: card.text ? "text" : "text error", dir: "auto", tabindex: 0 }, text) : nothing(card));
  about.replaceChildren(...aboutOf(views[at]));
  about.scrollTop = 0;
}

function aboutOf({ card, index }) {
  const media = card.media[index];
  const parameters = parametersOf(card);
  const reason = card.text && cutBy(card);
  return [
    el("div", { class: "head" }, el("h2", { dir: "auto" }, card.title), badge(stateOf(card))),
    factsOf(card),
    card.error && (media || card.text) && el("p", { class: "errorline", dir: "auto" }, card.error),
    reason && el("p", { class: "errorline" }, `${reason === "tool_calls" ? "" : "The answer is incomplete. "}The model ended by: ${reason}`),
    ...(card.prompt ? [el("h3", {}, "Prompt"), el("p", { class: "prompt open", dir: "auto" }, card.prompt)] : []),
    ...(parameters.length ? [el("h3", {}, "Parameters"), el("dl", {}, ...parameters.flatMap(([name, value]) => [el("dt", {}, name), el("dd", { dir: "auto" }, value)]))] : []),
    ...(media && isShown(media, origins) ? [el("h3", {}, "Output"), fileLine(media), link("Open the original", mediaUrl(media.url, origins))] : []),
    linksOf(card, false),
  ].filter(Boolean);
}

dialog.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const isPlayers = event.target instanceof HTMLMediaElement; // there arrows seek
  if (!step || isPlayers || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  move(step);
});
dialog.addEventListener("close", () => figure.replaceChildren());
dialog.addEventListener("click", ({ target }) => { if (target === dialog) dialog.close(); });
