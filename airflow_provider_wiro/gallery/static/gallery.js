// The page: reads its results, shows its DAG runs, and reads again while something is on its way.

import { link, page, path, settleIn } from "./airflow.js";
import { Refused, read } from "./data.js";
import { badge, button, el, time } from "./dom.js";
import { keep, makeSection, progressWords, rangeWords } from "./sections.js";

const [LEAST_PAUSE, MOST_PAUSE] = [1, 60]; // seconds between two readings
const AFTER_AN_ERROR = 5; // seconds
const SAY_EVERY = 20_000; // milliseconds between two announcements to a screen reader
const RELOAD_EVERY = 60_000; // milliseconds
const IS_DAG = page.kind === "dag";
const NOTHING = {
  run: "No task of this DAG run has run a model at Wiro.",
  task: "This task has run no model at Wiro.",
  dag: "No run of this DAG has results of Wiro.",
};

const [main, notice, fresh, live] = ["main", "notice", "fresh", "live"].map((id) => document.getElementById(id));
const runsBox = el("div");
const older = el("div", { class: "older" });
const runs = new Map(); // run id → what makeRun has given
const olderRuns = new Set(); // of the DAG's page: ids of those that one has asked for
const places = new URLSearchParams(location.hash.slice(1)); // the pages that one has turned to, kept over a reload
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
  let headKey = "";
  return {
    node: el("article", { class: "run" }, IS_DAG && head, box),
    async update(run) {
      const key = JSON.stringify([run.state, run.at]);
      const name = link(run.run_id, run.url) ?? run.run_id;
      if (key !== headKey) head.replaceChildren(el("h2", { dir: "auto" }, name), badge(run.state), run.at ? time(run.at) : "");
      headKey = key;
      keep(box, sections, run.sections, ({ id }) => id, (section) => makePagedSection(dagId, run, section));
      await Promise.all(run.sections.map((section) => sections.get(section.id).read(section)));
    },
  };
}

/** A section that turns its pages by itself. */
function makePagedSection(dagId, { run_id: runId, url: runUrl }, { id, task_id: taskId, map_index: mapIndex }) {
  const key = IS_DAG ? `${runId}/${id}` : id;
  const tail = taskId === null ? ["runs", dagId, runId] : ["tasks", dagId, runId, taskId, mapIndex];
  const get = async (at) => {
    const answer = await read(path("wiro", "data", ...tail), at);
    const sections = answer.runs.flatMap((run) => run.sections);
    const own = sections.find((section) => section.id === id) ?? sections[0];
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
      warn(error);
    } finally {
      made.node.removeAttribute("aria-busy");
    }
  };
  const made = makeSection({ level: IS_DAG ? 3 : 2, turn, runUrl: IS_DAG ? runUrl : null });
  let latest = null;
  let isNear = false;
  const self = {
    node: made.node,
    /** Show what the page has of the section, or the page of it that one has turned to. */
    async read(section) {
      latest = section;
      const at = places.get(key);
      let own = section;
      if (at || (isUnread(section) && isNear)) {
        try {
          own = await get(at ?? section.next);
        } catch (error) {
          if (error.status !== 404 && error.status !== 422) throw error;
          remember(key, ""); // that page is gone, such as of a manifest that was replaced
        }
      }
      if (places.get(key) === at || own === section) made.update(own, origins); // else one has turned it meanwhile
    },
  };
  // A run with many batches is read a few at a time: the others when they come near the window.
  new IntersectionObserver(([{ isIntersecting }]) => {
    isNear = isIntersecting;
    if (isNear && latest && isUnread(latest)) self.read(latest).catch(warn);
  }, { rootMargin: "400px" }).observe(made.node);
  return self;
}

/** Whether the server leaves it to the page to ask for the first cards. */
const isUnread = (section) => !section.cards.length && section.next !== null;

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
    giveUp(error);
  } finally {
    isReading = false;
    main.removeAttribute("aria-busy");
  }
}

/** Read again after `seconds`, or as soon as the page is looked at again. */
function plan(seconds) {
  clearTimeout(timer);
  const isOn = typeof seconds === "number";
  fresh.textContent = isOn ? "Updates by itself" : "";
  fresh.classList.toggle("on", isOn);
  if (!isOn) return;
  const pause = Math.min(MOST_PAUSE, Math.max(LEAST_PAUSE, seconds) * 2 ** misses);
  timer = setTimeout(() => {
    if (document.hidden) document.addEventListener("visibilitychange", refresh, { once: true });
    else refresh();
  }, pause * 1000);
}

async function show(gallery) {
  const isThere = ({ cards, note, progress, next }) => cards.length || note || progress || next;
  if (!gallery.runs.some((run) => run.sections.some(isThere))) {
    if (gallery.refresh_seconds === null) return replaceAll("No Wiro results here", NOTHING[page.kind]);
    return replaceAll("Nothing yet", "Results appear here as soon as there are some.");
  }
  if (!runsBox.isConnected) main.replaceChildren(runsBox, older);
  const latest = gallery.runs.map((run) => run.run_id);
  const before = [...olderRuns].filter((id) => !latest.includes(id));
  keep(runsBox, runs, [...latest, ...before], (id) => id, (id) => makeRun(gallery.dag_id, id));
  if (!before.length) offerOlder(gallery.next);
  await Promise.all(gallery.runs.map((run) => runs.get(run.run_id).update(run)));
  const going = gallery.runs.flatMap((run) => run.sections).filter(({ progress: some }) => some && some.queued + some.running);
  if (going.length && performance.now() - saidAt > SAY_EVERY) {
    say(going.map((section) => `${section.title}: ${progressWords(section.progress)}`).join(". "));
  }
  return null;
}

/** The DAG's page has a button for the runs before those that are shown. */
function offerOlder(at) {
  older.replaceChildren(at === null ? "" : button("Older runs", async ({ currentTarget }) => {
    currentTarget.disabled = true;
    try {
      const answer = await read(page.url, at);
      origins = [...new Set([...origins, ...answer.origins])];
      for (const run of answer.runs.filter(({ run_id: id }) => !runs.has(id))) {
        olderRuns.add(run.run_id);
        runs.set(run.run_id, makeRun(answer.dag_id, run.run_id));
        runsBox.append(runs.get(run.run_id).node);
        await runs.get(run.run_id).update(run);
      }
      offerOlder(answer.next);
    } catch (error) {
      warn(error);
      currentTarget.disabled = false;
    }
  }, { class: "quiet" }));
}

function replaceAll(title, sentence) {
  runs.clear();
  olderRuns.clear();
  runsBox.replaceChildren();
  main.replaceChildren(el("div", { class: "empty" }, el("h2", {}, title), el("p", { dir: "auto" }, sentence)));
}

function wordsOf(error) {
  if (error instanceof Refused) return error.words;
  console.error(error);
  return ["This page is broken", "Load it again. If that doesn't help, the browser's console has the reason."];
}

/** Say why something is not there; all else stays. */
function warn(error) {
  notice.textContent = wordsOf(error).join(". ");
  notice.hidden = false;
}

/** Say why there is nothing, or nothing new. What is shown stays, unless one may no longer see it. */
function giveUp(error) {
  const isBarred = error.status === 401 || error.status === 403;
  if (isBarred || !runs.size) replaceAll(...wordsOf(error));
  else warn(error);
  misses = Math.min(misses + 1, 5);
  plan(error.status === 0 || error.status >= 500 ? AFTER_AN_ERROR : null);
}

function say(words) {
  live.textContent = words;
  saidAt = performance.now();
}

// Results from a store that the page's Content-Security-Policy does not name yet: a page that is loaded again has it.
document.addEventListener("securitypolicyviolation", ({ effectiveDirective }) => {
  const key = `wiro-gallery ${location.pathname}`;
  const isRecent = Date.now() - Number(sessionStorage.getItem(key)) < RELOAD_EVERY;
  if (!["img-src", "media-src"].includes(effectiveDirective) || !origins.length || isRecent) return;
  sessionStorage.setItem(key, Date.now());
  location.reload();
});

settleIn();
document.getElementById("reload").addEventListener("click", refresh);
refresh();
