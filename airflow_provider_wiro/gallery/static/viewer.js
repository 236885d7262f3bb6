// The larger view: one output at a time, with everything that is known of its run.

import { link, mediaUrl } from "./airflow.js";
import { factsOf, isCut, linksOf, parametersOf } from "./cards.js";
import { badge, button, el, number } from "./dom.js";
import { nameOf, wholeNode } from "./media.js";

const TEXT = -1; // the place of an answer or an error, after the outputs

/** What a card has to look at: its outputs, then its text. A card with neither has one view, too. */
function viewsOf(card) {
  const views = card.media.map((media, index) => ({ card, index }));
  if (card.text || card.error || !views.length) views.push({ card, index: TEXT });
  return views;
}

const figure = el("div", { class: "figure" });
const aside = el("div", { class: "about" });
const count = el("p", { class: "dim", "aria-live": "polite" });
const dialog = el("dialog", { class: "viewer", "aria-label": "Larger view" },
  el("div", { class: "bar" }, count,
    button("Previous", () => move(-1), { symbol: "left", class: "quiet", "aria-label": "Previous" }),
    button("Next", () => move(1), { symbol: "right", class: "quiet", "aria-label": "Next" }),
    button("Close", () => dialog.close(), { symbol: "close", class: "quiet", "aria-label": "Close" })),
  el("div", { class: "both" }, figure, aside));

let views = [];
let at = 0;
let origins = [];
let source = null; // the section whose cards are shown

/** Open at an output of a card; `null` is its first view, -1 its text. */
export function openViewer(section, cardId, index, allowed, time = 0) {
  source = section;
  origins = allowed;
  views = section.cards().flatMap(viewsOf);
  const own = views.findIndex((view) => view.card.id === cardId);
  const exact = views.findIndex((view) => view.card.id === cardId && view.index === index);
  at = Math.max(0, exact === -1 ? own : exact);
  if (!dialog.isConnected) document.body.append(dialog);
  for (const playing of document.querySelectorAll("main video, main audio")) playing.pause();
  show();
  const film = figure.querySelector("video");
  if (film && time) film.addEventListener("loadedmetadata", () => { film.currentTime = time; }, { once: true });
  dialog.showModal();
}

/** After the section was read again: the same output, among the cards that are there now. */
export function refreshViewer(section) {
  if (!dialog.open || section !== source) return;
  const { card, index } = views[at];
  const now = section.cards().flatMap(viewsOf);
  const found = now.findIndex((view) => view.card.id === card.id && view.index === index);
  if (found === -1) return; // what one looks at stays until one moves on
  const hasChanged = JSON.stringify(now[found].card) !== JSON.stringify(card);
  views = now;
  at = found;
  label();
  if (hasChanged) aside.replaceChildren(...aboutOf(views[at].card, views[at].index));
}

function move(step) {
  const next = at + step;
  if (next < 0 || next >= views.length) return;
  at = next;
  show();
}

function label() {
  count.textContent = `${number(at + 1)} of ${number(views.length)}`;
  const [previous, next] = dialog.querySelectorAll(".bar button");
  previous.disabled = at === 0;
  next.disabled = at === views.length - 1;
}

function show() {
  const { card, index } = views[at];
  label();
  dialog.setAttribute("aria-label", card.title);
  if (index === TEXT) {
    const text = card.text ?? card.error;
    figure.replaceChildren(el("div", { class: card.text ? "text" : "text error", dir: "auto", tabindex: "0" }, text || "No outputs"));
  } else {
    figure.replaceChildren(wholeNode(card, index, origins));
  }
  aside.replaceChildren(...aboutOf(card, index));
  aside.scrollTop = 0;
}

function aboutOf(card, index) {
  const media = index === TEXT ? null : card.media[index];
  const url = media ? mediaUrl(media.url, origins) : null;
  const parameters = parametersOf(card);
  return [
    el("div", { class: "head" }, el("h2", { dir: "auto" }, card.title), badge(card.state)),
    factsOf(card),
    card.error && index !== TEXT ? el("p", { class: "errorline", dir: "auto" }, card.error) : null,
    card.text && card.finish_reason && isCut(card) ? el("p", { class: "errorline" }, `The answer is incomplete: ${card.finish_reason}`) : null,
    card.prompt ? el("h3", {}, "Prompt") : null,
    card.prompt ? el("p", { class: "prompt open", dir: "auto" }, card.prompt) : null,
    parameters.length ? el("h3", {}, "Parameters") : null,
    parameters.length ? el("dl", {}, ...parameters.flatMap(([name, value]) => [el("dt", {}, name), el("dd", { dir: "auto" }, value)])) : null,
    media ? el("h3", {}, "Output") : null,
    media ? el("p", { dir: "auto" }, nameOf(media)) : null,
    url && media.kind !== "file" ? link("Open alone", url, { class: "action" }) : null,
    linksOf(card),
  ].filter(Boolean);
}

dialog.addEventListener("keydown", (event) => {
  const isPlayer = event.target instanceof HTMLMediaElement; // its arrows seek
  if (isPlayer || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step) {
    event.preventDefault();
    move(step);
  }
});
dialog.addEventListener("close", () => figure.replaceChildren());
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
