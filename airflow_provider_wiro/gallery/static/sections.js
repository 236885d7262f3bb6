// A section: its heading, how far it is, its pages, and the grid of its cards.

import { measurePrompts } from "./about.js";
import { link } from "./airflow.js";
import { makeCard } from "./cards.js";
import { badge, button, el, number, time } from "./dom.js";
import { openViewer, refreshViewer } from "./viewer.js";

/**
 * @param place `level` of the heading, `turn(at)` to get another page of the section, `runUrl` of a run that is
 *   shown in part.
 */
export function makeSection(place) {
  const heading = el(`h${place.level}`, { dir: "auto", tabindex: "-1" });
  const title = el("div", { class: "head" }, heading);
  const progress = el("div", { class: "progress", hidden: true });
  const note = el("p", { class: "note", dir: "auto", hidden: true });
  const grid = el("ul", { class: "grid" });
  const pagers = [el("nav", { class: "pager" }), el("nav", { class: "pager" })];
  const node = el("section", {}, el("div", { class: "titlebar" }, title, pagers[0]), progress, note, grid, pagers[1]);
  const cards = new Map(); // id → what makeCard has given
  let now = null;
  let headKey = "";
  let origins = [];
  const open = (id, index, time) => openViewer(self, id, index, time, origins);
  const self = {
    node,
    cards: () => now.cards,
    update(section, allowed) {
      [now, origins] = [section, allowed];
      const { cards: _, ...head } = section;
      const key = JSON.stringify([head, section.cards.length]);
      if (key !== headKey) {
        headKey = key;
        heading.textContent = section.title;
        title.replaceChildren(heading, section.state ? badge(section.state) : "");
        note.textContent = section.note;
        note.hidden = !section.note;
        showProgress(progress, section);
        pagers.forEach((pager, position) => showPager(pager, section, place, position));
      }
      keep(grid, cards, section.cards, (card) => card.id, () => makeCard({ level: place.level + 1, open }));
      section.cards.forEach((card) => cards.get(card.id).update(card, origins));
      measurePrompts(grid);
      refreshViewer(self);
    },
    /** After a turn of the page: its beginning is in sight. */
    arrive() {
      if (node.getBoundingClientRect().top < 0) node.scrollIntoView();
      heading.focus({ preventScroll: true });
    },
  };
  return self;
}

/** Make the children of `parent` those of `items`, in order; what stays is not moved, so that films play on. */
export function keep(parent, made, items, idOf, make) {
  const wanted = new Set(items.map(idOf));
  for (const [id, { node }] of made) {
    if (wanted.has(id)) continue;
    node.remove();
    made.delete(id);
  }
  let next = parent.firstElementChild;
  for (const item of items) {
    if (!made.has(idOf(item))) made.set(idOf(item), make(item));
    const { node } = made.get(idOf(item));
    if (node === next) next = next.nextElementSibling;
    else parent.insertBefore(node, next);
  }
}

const PARTS = [["done", "done"], ["failed", "failed"], ["running", "running"], ["queued", "queued"], ["not_done", "not done"]];

/** Counts as words. */
export function progressWords(progress) {
  const parts = PARTS.filter(([key]) => progress[key]).map(([key, word]) => `${number(progress[key])} ${word}`);
  return `${parts.join(", ") || "nothing begun"} of ${number(progress.total)}`;
}

function showProgress(box, { progress, title }) {
  box.hidden = !progress;
  if (!progress) return;
  const ended = progress.done + progress.failed;
  const attributes = { "aria-label": title, "aria-valuemin": 0, "aria-valuemax": progress.total, "aria-valuenow": ended };
  const bar = el("div", { class: "bar", role: "progressbar", "aria-valuetext": progressWords(progress), ...attributes });
  for (const [key] of PARTS.slice(0, 3)) {
    const part = el("span", { "data-part": key });
    part.style.width = `${Math.min(100, (100 * progress[key]) / Math.max(1, progress.total))}%`;
    bar.append(part);
  }
  const counts = PARTS.filter(([key]) => progress[key] || key === "done").map(([key, word]) => el("li", { "data-part": key }, el("b", {}, number(progress[key])), ` ${word}`));
  const when = progress.at && el("li", { class: "dim" }, "counted ", time(progress.at));
  box.replaceChildren(bar, el("ul", {}, ...counts, el("li", { class: "dim" }, `of ${number(progress.total)}`), when));
}

/** "601–660 of 10,000" */
export function rangeWords({ first, total, cards }) {
  const range = cards.length > 1 ? `${number(first ?? 1)}–${number((first ?? 1) + cards.length - 1)}` : number(first ?? 1);
  if (!cards.length) return total === null ? "" : `0 of ${number(total)}`;
  if (first === null) return total === null ? "" : `${number(cards.length)} of ${number(total)}`;
  return total === null ? range : `${range} of ${number(total)}`;
}

function showPager(pager, section, place, position) {
  const { previous, next, total, cards } = section;
  const isPaged = previous !== null || next !== null;
  const isPart = !isPaged && total !== null && total > cards.length;
  pager.hidden = !(isPaged || (isPart && place.runUrl)) || (position === 1 && cards.length < 7);
  pager.setAttribute("aria-label", `Pages of ${section.title}${position ? ", below" : ""}`);
  if (pager.hidden) return pager.replaceChildren();
  if (isPart) return pager.replaceChildren(link(`All ${number(total)}`, place.runUrl) ?? "");
  const turn = (label, at, symbol) => button(label, () => place.turn(at), { symbol, class: "quiet", disabled: at === null });
  const parts = [
    el("span", { class: "range" }, rangeWords(section)),
    turn("Previous page", previous, "left"),
    turn("Next page", next, "right"),
  ];
  if (section.jumps && total > cards.length) parts.push(jumpForm(total, place));
  return pager.replaceChildren(...parts);
}

function jumpForm(total, place) {
  const input = el("input", { type: "number", min: 1, max: total, inputmode: "numeric", placeholder: "Item", "aria-label": `Go to item, 1 to ${total}`, required: true });
  const form = el("form", {}, input, el("button", { class: "quiet" }, "Go"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    place.turn(`item-${input.valueAsNumber}`);
  });
  return form;
}
