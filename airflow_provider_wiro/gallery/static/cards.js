// A card: a run's outputs, or what it has instead, and below them what made them.

import { chipsOf, cutBy, factsOf, linksOf, promptOf, stateOf } from "./about.js";
import { badge, beginning, button, el, icon, short, stateWord } from "./dom.js";
import { isShown, live, nameOf, plain } from "./media.js";

const MOST_TILES = 4;
const MOST_TUNES = 3;
const TEXT = -1; // the place of an answer or an error among a card's outputs

/**
 * @param place what a card needs of its section: `level` of its heading, `open(card id, output, time)`.
 * @returns `node`, and `update(card, origins)`, which leaves alone what has not changed: a film plays on.
 */
export function makeCard(place) {
  const stage = el("div", { class: "stage" });
  const info = el("div", { class: "info" });
  const node = el("li", { class: "card" }, stage, info);
  let stageKey = "";
  let infoKey = "";
  let isOpen = false;
  return {
    node,
    update(card, origins) {
      const keys = [JSON.stringify([card.state, card.media, card.text, card.error, origins]), JSON.stringify(card)];
      node.dataset.state = card.state;
      if (stageKey !== keys[0]) stage.replaceChildren(...stageOf(card, origins, place));
      if (infoKey !== keys[1]) {
        const { activeElement } = document;
        const held = info.contains(activeElement) ? activeElement.dataset.key : null;
        info.replaceChildren(...infoOf(card, place, isOpen, (open) => { isOpen = open; }));
        if (held) info.querySelector(`[data-key="${held}"]`)?.focus();
      }
      [stageKey, infoKey] = keys;
    },
  };
}

function stageOf(card, origins, place) {
  const shown = card.media.map((media, index) => ({ kind: media.kind, index })).filter(({ index }) => isShown(card.media[index], origins));
  const visual = shown.filter(({ kind }) => kind !== "audio").map(({ index }) => index);
  const tunes = shown.filter(({ kind }) => kind === "audio").map(({ index }) => index);
  const rest = card.media.filter((media) => !isShown(media, origins));
  const open = (index, time) => place.open(card.id, index, time);
  const parts = [];
  if (visual.length === 1 && card.media[visual[0]].kind === "video") parts.push(film(card, visual[0], origins, open));
  else if (visual.length) parts.push(tiles(card, visual, origins, open));
  if (card.text) parts.push(words(card, card.text, open));
  for (const index of tunes.slice(0, MOST_TUNES)) {
    parts.push(live(card, index, origins, { around: [icon("note"), el("p", { class: "name", dir: "auto" }, nameOf(card.media[index]))] }));
  }
  let hidden = rest.length + Math.max(0, tunes.length - MOST_TUNES);
  if (!parts.length && card.error) {
    parts.push(words(card, card.error, open));
  } else if (!parts.length && rest.length) {
    parts.push(plain(rest[0], origins));
    hidden -= 1;
  }
  if (!parts.length) parts.push(nothing(card));
  if (hidden > 0) parts.push(button(`${hidden} more ${hidden === 1 ? "output" : "outputs"}`, () => open(card.media.indexOf(rest[rest.length - hidden] ?? rest[0])), { class: "more" }));
  return parts;
}

function tiles(card, visual, origins, open) {
  const shown = visual.slice(0, MOST_TILES);
  const left = visual.length - shown.length;
  return el("div", { class: "tiles", "data-count": shown.length }, ...shown.map((index, position) => {
    const isFilm = card.media[index].kind === "video";
    const count = left > 0 && position === MOST_TILES - 1 ? `+${left}` : "";
    const label = `Larger view${visual.length > 1 ? ` ${position + 1} of ${visual.length}` : ""}: ${short(card.title, 60)}`;
    const cover = el("button", { type: "button", class: "cover", "aria-label": label, onclick: () => open(index) }, isFilm && icon("play"), count);
    return live(card, index, origins, { controls: false, around: [cover] });
  }));
}

function film(card, index, origins, open) {
  const larger = button("Larger view", ({ currentTarget }) => {
    open(index, currentTarget.parentElement.querySelector("video").currentTime);
  }, { symbol: "larger", class: "larger" });
  return live(card, index, origins, { around: [larger] });
}

function words(card, text, open) {
  const reason = text === card.text && cutBy(card);
  const read = button("Read all", () => open(TEXT), { class: "action", "aria-label": `Read all: ${short(card.title, 60)}` });
  return el("div", { class: text === card.text ? "answer" : "answer error" },
    el("div", { class: "words", dir: "auto" }, beginning(text)),
    el("p", { class: "foot" }, read, reason && el("span", { class: "badge", "data-state": "cut" }, `Ended by: ${short(reason, 40)}`)));
}

/** What is said of a run without outputs. */
export function nothing({ state }) {
  const isOn = state === "queued" || state === "running";
  const word = { succeeded: "No outputs", reused: "No outputs", failed: "Failed without a message" }[state] ?? stateWord(state);
  return el("div", { class: "plain" }, isOn && el("span", { class: "pulse" }), el("p", { class: "dim" }, word));
}

function infoOf(card, place, isOpen, setOpen) {
  const isErrorElsewhere = card.error && (card.media.length || card.text);
  return [
    el("div", { class: "head" }, el(`h${place.level}`, { dir: "auto" }, card.title), badge(stateOf(card))),
    factsOf(card),
    card.prompt && promptOf(card, isOpen, setOpen),
    isErrorElsewhere && el("p", { class: "errorline", dir: "auto" }, short(card.error, 600)),
    chipsOf(card, () => place.open(card.id, null)),
    linksOf(card),
  ].filter(Boolean);
}
