// The page: reads its results, shows its DAG runs, and reads again while something is on its way.

import { link, page, path, settleIn } from "./airflow.js";
import { Refused, read } from "./data.js";
import { badge, button, el, time } from "./dom.js";
import { keep, makeSection, progressWords, rangeWords } from "./sections.js";

const [LEAST_PAUSE, MOST_PAUSE] = [1, 60]; // seconds between two readings
const SAY_EVERY = 20_000; // milliseconds between two announcements to a screen reader

const main = document.getElementById("main");
const notice = document.getElementById("notice");
const fresh = document.getElementById("fresh");
const live = document.getElementById("live");
const runs = new Map(); // run id → what makeRun has given
const places = new URLSearchParams(location.hash.slice(1)); // which page of a section is open, also after a reload
const runsBox = el("div", { class: "runs" });
const older = el("div", { class: "older" });
let origins = [];
let timer = null;
let misses = 0;
let isReading = false;
let saidAt = -Infinity;

function remember(key, at) {
  if (at) places.set(key, at);
  else places.delete(key);
  history.replaceState(null, "", `#${places}`);
}

function makeRun(dagId, runId) {
  const sections = new Map();
  const head = el("div", { class: "runhead" });
  const box = el("div");
  const node = el("article", { class: "run" }, page.kind === "dag" ? head : "", box);
  const level = page.kind === "dag" ? 3 : 2;
  let headKey = "";

  const makeOne = (section, run) => {
    const key = page.kind === "dag" ? `${runId}/${section.id}` : section.id;
    const url = section.task_id === null
      ? path("wiro", "data", "runs", dagId, runId)
      : path("wiro", "data", "tasks", dagId, runId, section.task_id, section.map_index);
    const get = async (at) => {
      const answer = await read(url, at);
      const found = answer.runs.flatMap((one) => one.sections);
      const own = found.find((one) => one.id === section.id) ?? found[0];
      if (!own) throw new Refused(404, "These results are no longer there.");
      origins = [...new Set([...origins, ...answer.origins])];
      return own;
    };
    const turn = async (at) => {
      made.node.setAttribute("aria-busy", "true");
      try {
        const own = await get(at);
        remember(key, at);
        made.update(own, origins);
        made.arrive();
        say(`${own.title}: ${rangeWords(own)}`);
      } catch (error) {
        complain(error);
      } finally {
        made.node.removeAttribute("aria-busy");
      }
    };
    const made = makeSection({ level, turn, runUrl: page.kind === "dag" ? run.url : null });
    return { ...made, key, get, turn };
  };

  return {
    node,
    async update(run) {
      const key = JSON.stringify([run.state, run.at, run.url]);
      if (page.kind === "dag" && key !== headKey) {
        headKey = key;
        head.replaceChildren(el("h2", { dir: "auto" }, link(run.run_id, run.url) ?? run.run_id), badge(run.state), run.at ? time(run.at) : "");
      }
      keep(box, sections, run.sections, (section) => section.id, (section) => makeOne(section, run));
      await Promise.all(run.sections.map((section) => updateSection(sections.get(section.id), section)));
      tellProgress(run);
    },
  };
}

/** A section shows what the page has of it, or the page of it that one has turned to. */
async function updateSection(made, section) {
  const at = places.get(made.key);
  const isUnread = !section.cards.length && section.next !== null; // the server leaves it to us to ask for it
  if (!at && !isUnread) return made.update(section, origins);
  try {
    return made.update(await made.get(at ?? section.next), origins);
  } catch (error) {
    if (error.status === 401 || error.status === 403 || error.status === 0) throw error;
    remember(made.key, ""); // such as a page of a manifest that is written anew
    return made.update(section, origins);
  }
}

async function refresh() {
  if (isReading) return;
  isReading = true;
  clearTimeout(timer);
  try {
    const gallery = await read(page.url);
    origins = gallery.origins;
    await show(gallery);
    misses = 0;
    notice.hidden = true;
    plan(gallery.refresh_seconds);
  } catch (error) {
    complain(error);
  } finally {
    isReading = false;
    main.removeAttribute("aria-busy");
  }
}

/** Read again after `seconds`; at once when the tab is looked at again. */
function plan(seconds) {
  const isOn = typeof seconds === "number";
  fresh.textContent = isOn ? "Updates by itself" : "";
  fresh.classList.toggle("on", isOn);
  if (!isOn) return;
  const pause = Math.min(MOST_PAUSE, Math.max(LEAST_PAUSE, seconds) * 2 ** misses);
  timer = setTimeout(() => {
    if (!document.hidden) return refresh();
    return document.addEventListener("visibilitychange", refresh, { once: true });
  }, pause * 1000);
}

async function show(gallery) {
  const hasSome = gallery.runs.some((run) => run.sections.some((section) => section.cards.length || section.note || section.progress || section.next));
  if (!hasSome) return empty(...nothingWords(gallery));
  if (!runsBox.isConnected) main.replaceChildren(runsBox, older);
  const ids = gallery.runs.map((run) => run.run_id);
  const kept = [...runs.keys()].filter((id) => page.kind === "dag" && !ids.includes(id) && runs.get(id).isOlder);
  keep(runsBox, runs, [...ids, ...kept], (id) => id, (id) => makeRun(gallery.dag_id, id));
  if (!older.hasChildNodes() || !kept.length) offerOlder(gallery);
  await Promise.all(gallery.runs.map((run) => runs.get(run.run_id).update(run)));
}

/** The DAG's page has a button for the runs before those that are shown. */
function offerOlder(gallery) {
  if (gallery.next === null) return older.replaceChildren();
  return older.replaceChildren(button("Older runs", async (event) => {
    event.target.disabled = true;
    try {
      const before = await read(page.url, gallery.next);
      origins = [...new Set([...origins, ...before.origins])];
      const unseen = before.runs.filter((run) => !runs.has(run.run_id));
      for (const run of unseen) {
        runs.set(run.run_id, { ...makeRun(before.dag_id, run.run_id), isOlder: true });
        runsBox.append(runs.get(run.run_id).node);
      }
      offerOlder(before);
      await Promise.all(unseen.map((run) => runs.get(run.run_id).update(run)));
    } catch (error) {
      event.target.disabled = false;
      complain(error);
    }
  }));
}

const NOTHING = {
  run: "No task of this DAG run has run a model at Wiro.",
  task: "This task has run no model at Wiro.",
  dag: "No run of this DAG has results of Wiro.",
};

function nothingWords({ refresh_seconds: seconds }) {
  return seconds === null ? ["No Wiro results here", NOTHING[page.kind]] : ["Nothing yet", "Results appear here as soon as there are some."];
}

function empty(title, sentence) {
  runs.clear();
  runsBox.replaceChildren();
  main.replaceChildren(el("div", { class: "empty" }, el("h2", {}, title), el("p", { dir: "auto" }, sentence)));
}

/** Say why there is nothing, or nothing new. What is shown stays, unless one may no longer see it. */
function complain(error) {
  if (!(error instanceof Refused)) {
    console.error(error);
    error = new Refused(-1, "The page doesn't understand the answer. Refresh it; if that doesn't help, the API server runs another version.");
  }
  const [title, sentence] = error.words;
  const isBarred = error.status === 401 || error.status === 403;
  if (!runs.size || isBarred) {
    empty(title, sentence);
  } else {
    notice.hidden = false;
    notice.textContent = `${title}. ${sentence}`;
  }
  if (isBarred || error.status === 404) return;
  misses = Math.min(misses + 1, 5);
  plan(fresh.classList.contains("on") || !runs.size ? 5 : null);
}

function say(words) {
  live.textContent = words;
  saidAt = performance.now();
}

function tellProgress(run) {
  if (performance.now() - saidAt < SAY_EVERY) return;
  const going = run.sections.filter(({ progress }) => progress && progress.done + progress.failed < progress.total);
  if (going.length) say(going.map((section) => `${section.title}: ${progressWords(section.progress)}`).join(". "));
}

// Results from a store that the page's Content-Security-Policy does not name yet: a page that is loaded again has it.
document.addEventListener("securitypolicyviolation", ({ effectiveDirective }) => {
  const isMedia = effectiveDirective === "img-src" || effectiveDirective === "media-src";
  const key = `wiro-gallery ${location.pathname} ${origins}`;
  if (!isMedia || !origins.length || sessionStorage.getItem(key)) return;
  sessionStorage.setItem(key, "loaded again");
  location.reload();
});

settleIn();
document.getElementById("reload").addEventListener("click", refresh);
refresh();
