// A card: a run's outputs, or what it has instead, and below them what made them.

import { copyButton, link, mediaUrl } from "./airflow.js";
import { badge, button, duration, el, icon, number, short, stateWord } from "./dom.js";
import { altOf, bare, isVisual, lostNode, nameOf, plainNode } from "./media.js";

const MOST_TILES = 4;
const MOST_CHIPS = 4;
const COMPLETE = ["", "stop", "end_turn", "completed"]; // an LLM's reasons to end that need no word

/**
 * @param place what a card needs of its page: `origins`, `level` of its heading, `open(card id, output)`.
 * @returns `node`, and `update(card)`, which leaves alone what has not changed: a film plays on.
 */
export function makeCard(place) {
  const stage = el("div", { class: "stage" });
  const info = el("div", { class: "info" });
  const node = el("li", { class: "card" }, stage, info);
  let shown = {};
  let isOpen = false;
  return {
    node,
    update(card) {
      const stageKey = JSON.stringify([card.state, card.media, card.text, card.error, place.origins]);
      const infoKey = JSON.stringify(card);
      node.dataset.state = card.state;
      if (stageKey !== shown.stageKey) stage.replaceChildren(...stageOf(card, place));
      if (infoKey !== shown.infoKey) {
        const held = info.contains(document.activeElement) ? document.activeElement.dataset.part : null;
        info.replaceChildren(...infoOf(card, place, isOpen, (open) => { isOpen = open; }));
        if (held) info.querySelector(`[data-part="${CSS.escape(held)}"]`)?.focus();
      }
      shown = { stageKey, infoKey };
    },
  };
}

function stageOf(card, place) {
  const playable = card.media.map((media) => mediaUrl(media.url, place.origins));
  const visual = card.media.flatMap((media, index) => (isVisual(media) && playable[index] ? [index] : []));
  const tunes = card.media.flatMap((media, index) => (media.kind === "audio" && playable[index] ? [index] : []));
  const parts = [];
  if (visual.length === 1 && card.media[visual[0]].kind === "video") parts.push(...film(card, visual[0], place));
  else if (visual.length) parts.push(tiles(card, visual, place));
  if (card.text) parts.push(answer(card, place));
  tunes.slice(0, 3).forEach((index) => parts.push(tune(card, index, place)));
  const rest = card.media.filter((media, index) => !visual.includes(index) && !tunes.includes(index));
  if (!parts.length && rest.length) {
    const index = card.media.indexOf(rest[0]);
    parts.push(plainNode(rest[0], playable[index]));
  }
  if (card.error && !parts.length) parts.push(failure(card, place));
  if (!parts.length) parts.push(nothing(card));
  const hidden = rest.length - (parts.length && !visual.length && !tunes.length && !card.text ? 1 : 0) + Math.max(0, tunes.length - 3);
  if (hidden > 0) parts.push(button(`+ ${number(hidden)} more`, () => place.open(card.id, 0), { class: "more" }));
  return parts;
}

function tiles(card, indexes, place) {
  const shown = indexes.slice(0, MOST_TILES);
  const box = el("div", { class: "tiles", "data-count": shown.length });
  const tile = (index, position) => {
    const media = card.media[index];
    const url = mediaUrl(media.url, place.origins);
    const left = indexes.length - MOST_TILES;
    const isLast = position === MOST_TILES - 1 && left > 0;
    const node = el("button", { type: "button", class: "tile", onclick: () => place.open(card.id, index) });
    const lost = () => node.replaceWith(lostNode(media, url, (event) => {
      event.target.closest(".lost").replaceWith(tile(index, position));
    }));
    node.append(bare(media, url, { alt: altOf(card, index), controls: false, lost }));
    if (media.kind === "video") {
      node.querySelector("video").tabIndex = -1;
      node.append(icon("play"));
    }
    if (isLast) node.append(el("span", { class: "count" }, `+${number(left)}`));
    return node;
  };
  box.append(...shown.map(tile));
  return box;
}

function film(card, index, place) {
  const media = card.media[index];
  const url = mediaUrl(media.url, place.origins);
  const box = el("div", { class: "film" });
  const load = () => box.replaceChildren(
    bare(media, url, { alt: altOf(card, index), controls: true, lost: () => box.replaceChildren(lostNode(media, url, load)) }),
    button("Larger", () => place.open(card.id, index, box.querySelector("video")?.currentTime), { symbol: "out", class: "larger", "aria-label": "Larger view" }),
  );
  load();
  return [box];
}

function tune(card, index, place) {
  const media = card.media[index];
  const url = mediaUrl(media.url, place.origins);
  const box = el("div", { class: "tune" });
  const load = () => box.replaceChildren(
    icon("note"), el("p", { class: "name", dir: "auto" }, nameOf(media)),
    bare(media, url, { alt: altOf(card, index), controls: true, lost: () => box.replaceChildren(lostNode(media, url, load)) }),
  );
  load();
  return box;
}

export function isCut(card) {
  return !COMPLETE.includes((card.finish_reason ?? "").toLowerCase());
}

function answer(card, place) {
  return el("div", { class: "answer" },
    el("div", { class: "words", dir: "auto" }, short2(card.text)),
    el("p", { class: "foot" },
      isCut(card) ? el("span", { class: "badge", "data-state": "cut" }, `Ended by: ${card.finish_reason}`) : null,
      button("Read", () => place.open(card.id, -1), { class: "action", "data-part": "read", "aria-label": `Read the whole answer of ${short(card.title, 60)}` })));
}

// A card shows the beginning of an answer, which may be 100,000 characters long.
const short2 = (text) => (text.length > 1500 ? `${text.slice(0, 1500)}…` : text);

function failure(card, place) {
  return el("div", { class: "answer error" },
    el("div", { class: "words", dir: "auto" }, short2(card.error)),
    el("p", { class: "foot" }, button("Read", () => place.open(card.id, -1), { class: "action", "aria-label": `Read the whole error of ${short(card.title, 60)}` })));
}

function nothing(card) {
  const words = { succeeded: "No outputs", reused: "No outputs", failed: "Failed without a message" };
  const isOn = ["queued", "running"].includes(card.state);
  return el("div", { class: isOn ? "plain waiting" : "plain" },
    isOn ? el("span", { class: "pulse", "aria-hidden": "true" }) : null,
    el("p", { class: "dim" }, words[card.state] ?? (card.state === "running" ? "Running…" : stateWord(card.state))));
}

function infoOf(card, place, isOpen, setOpen) {
  return [
    el("div", { class: "head" }, el(`h${place.level}`, { dir: "auto" }, card.title), badge(card.state)),
    factsOf(card),
    card.prompt ? promptOf(card.prompt, isOpen, setOpen) : null,
    card.error && (card.media.length || card.text) ? el("p", { class: "errorline", dir: "auto" }, short(card.error, 600)) : null,
    chipsOf(card, place),
    linksOf(card),
  ].filter(Boolean);
}

/** Model, cost, time and try in a line. */
export function factsOf(card) {
  const facts = [
    card.model && el("span", { class: "model" }, card.model),
    card.cost_usd && el("span", { title: "Cost in US dollars" }, `$${card.cost_usd}`),
    card.elapsed_seconds !== null && el("span", { title: "Time that the model ran" }, duration(card.elapsed_seconds)),
    card.try_number > 1 && el("span", {}, `try ${card.try_number}`),
  ].filter(Boolean);
  return facts.length ? el("p", { class: "facts" }, ...facts) : null;
}

function promptOf(prompt, isOpen, setOpen) {
  const text = el("p", { class: isOpen ? "prompt open" : "prompt", dir: "auto" }, isOpen ? prompt : short2(prompt));
  const toggle = button(isOpen ? "Less" : "More", () => {
    const open = text.classList.toggle("open");
    text.textContent = open ? prompt : short2(prompt);
    toggle.textContent = open ? "Less" : "More";
    toggle.setAttribute("aria-expanded", open);
    setOpen(open);
  }, { class: "action toggle", "aria-expanded": String(isOpen), "data-part": "prompt", "aria-label": "Whole prompt", hidden: !isOpen });
  return el("div", { class: "promptbox" }, text, toggle);
}

/** Show "More" where a prompt is cut. All are measured first, so that the browser lays out the page once. */
export function measurePrompts(root) {
  const cut = [...root.querySelectorAll(".promptbox:not(:has(.open))")]
    .map((box) => [box.lastChild, box.firstChild.scrollHeight > box.firstChild.clientHeight + 1]);
  for (const [toggle, isCutOff] of cut) toggle.hidden = !isCutOff;
}

export function parametersOf(card) {
  const isSeed = ([name]) => name === "seed";
  const seed = card.seed !== null && !card.parameters.some(isSeed) ? [["seed", card.seed]] : [];
  return [...seed, ...card.parameters];
}

function chipsOf(card, place) {
  const all = parametersOf(card);
  if (!all.length) return null;
  const chips = all.slice(0, MOST_CHIPS).map(([name, value]) => el("li", { title: short(`${name}: ${value}`) },
    el("span", { class: "dim" }, name), " ", el("bdi", {}, short(value, 80))));
  const left = all.length - MOST_CHIPS;
  if (left > 0) chips.push(el("li", { class: "all" }, button(`+${left}`, () => place.open(card.id, null), { "aria-label": `${left} more parameters`, "data-part": "parameters" })));
  return el("ul", { class: "chips", "aria-label": "Parameters" }, ...chips);
}

const LINKS = [["log", "Log"], ["s3", "S3"], ["wiro", "Wiro"], ["manifest", "Manifest"]];

export function linksOf(card) {
  const links = LINKS.map(([key, label]) => link(label, card.links?.[key], { class: "action", "data-part": key }));
  if (card.code) links.push(button("As DAG code", () => showCode(card), { class: "action", "data-part": "code" }));
  const there = links.filter(Boolean);
  return there.length ? el("p", { class: "links" }, ...there) : null;
}

function showCode(card) {
  const dialog = el("dialog", { class: "code", "aria-label": "As DAG code" },
    el("div", { class: "bar" }, el("h2", {}, "As DAG code"),
      copyButton(card.code, "Copy"),
      button("Close", () => dialog.close(), { symbol: "close", class: "quiet", "aria-label": "Close" })),
    el("pre", { tabindex: "0" }, el("code", {}, card.code)));
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  document.body.append(dialog);
  dialog.showModal();
}
