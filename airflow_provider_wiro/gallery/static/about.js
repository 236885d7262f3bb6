// What made an output: model, prompt, parameters, cost, links, and the DAG code that would make it again.

import { copyButton, link } from "./airflow.js";
import { beginning, button, duration, el, short } from "./dom.js";

const MOST_CHIPS = 4;
const COMPLETE = ["", "stop", "end_turn", "completed"]; // an LLM's reasons to end that need no word
const LINKS = [["log", "Log"], ["s3", "S3"], ["wiro", "Wiro"], ["manifest", "Manifest"]];

/** Why an LLM ended too early; empty if it did not. */
export const cutBy = ({ finish_reason: reason }) => (COMPLETE.includes((reason ?? "").toLowerCase()) ? "" : reason);

/** A try that failed is followed by another. */
export const stateOf = ({ state, error }) => (state === "queued" && error ? "up_for_retry" : state);

/** Model, cost, time and try in a line. */
export function factsOf(card) {
  const facts = [
    card.model && modelOf(card.model),
    card.cost_usd !== null && el("span", { title: "Cost in US dollars" }, short(`$${card.cost_usd}`, 20)),
    card.elapsed_seconds !== null && el("span", { title: "How long the model ran" }, duration(card.elapsed_seconds)),
    card.try_number > 1 && el("span", {}, `try ${card.try_number}`),
  ].filter(Boolean);
  return facts.length > 0 && el("p", { class: "facts" }, ...facts);
}

/** Of a long name the owner is cut first. */
function modelOf(name) {
  const slash = Math.max(0, name.indexOf("/"));
  return el("span", { class: "model", title: name }, el("bdi", {}, name.slice(0, slash)), el("bdi", {}, name.slice(slash)));
}

/** Three lines of the prompt, or all of it. */
export function promptOf({ prompt }, isOpen, setOpen) {
  const text = el("p", { class: "prompt", dir: "auto" });
  const toggle = button("", () => setOpen(show(!text.classList.contains("open"))), { "data-key": "prompt", class: "action", hidden: !isOpen });
  const show = (open) => {
    text.classList.toggle("open", open);
    text.textContent = open ? prompt : beginning(prompt);
    toggle.replaceChildren(open ? "Less" : "More", el("span", { class: "unseen" }, " of the prompt"));
    toggle.setAttribute("aria-expanded", open);
    return open;
  };
  show(isOpen);
  return el("div", { class: "promptbox" }, text, toggle);
}

/** Show "More" where a prompt is cut. All are measured before one is changed: the browser lays out the page once. */
export function measurePrompts(root) {
  const boxes = [...root.querySelectorAll(".prompt:not(.open) + button")];
  const isCut = boxes.map(({ previousSibling: text }) => text.scrollHeight > text.clientHeight + 1);
  boxes.forEach((toggle, position) => { toggle.hidden = !isCut[position]; });
}

export function parametersOf(card) {
  const isSeeded = card.seed === null || card.parameters.some(([name]) => name === "seed");
  return isSeeded ? card.parameters : [["seed", card.seed], ...card.parameters];
}

/** The first parameters, each as a chip; `showAll` opens a view of all. */
export function chipsOf(card, showAll) {
  const all = parametersOf(card);
  const chips = all.slice(0, MOST_CHIPS).map(([name, value]) => el("li", { title: short(`${name}: ${value}`) },
    el("span", { class: "dim" }, short(name, 40)), " ", el("bdi", {}, short(value, 80))));
  const left = all.length - MOST_CHIPS;
  if (left > 0) chips.push(el("li", {}, button(`+${left} more`, showAll, { class: "action", "data-key": "parameters" })));
  return all.length > 0 && el("ul", { class: "chips", "aria-label": "Parameters" }, ...chips);
}

/** `hasUris`: also the URIs to copy, where the store has no page to link to. */
export function linksOf(card, hasUris = true) {
  const links = LINKS.map(([key, label]) => link(label, card.links?.[key], { "data-key": key }));
  const uris = card.media.map(({ uri }) => uri).filter(Boolean);
  if (hasUris && uris.length && !links[1]) {
    links[1] = copyButton(uris.join("\n"), `Copy ${uris[0].startsWith("s3:") ? "S3 " : ""}URI${uris.length > 1 ? "s" : ""}`, null, { class: "action", "data-key": "s3" });
  }
  links.push(card.code && button("As DAG code", () => showCode(card.code), { class: "action", "data-key": "code" }));
  return links.some(Boolean) && el("p", { class: "links" }, ...links);
}

function showCode(code) {
  const dialog = el("dialog", { class: "code", "aria-label": "As DAG code" },
    el("div", { class: "bar" },
      el("h2", {}, "As DAG code"),
      copyButton(code, "Copy"),
      button("Close", () => dialog.close(), { symbol: "close", class: "quiet" })),
    el("pre", { tabindex: 0 }, el("code", {}, code)));
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", ({ target }) => { if (target === dialog) dialog.close(); });
  document.body.append(dialog);
  dialog.showModal();
}
