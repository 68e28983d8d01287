// The list of cases, a page at a time, and the address that names what it shows.
const PAGE = 100;
const byId = (id) => document.getElementById(id);
const count = (number) => number.toLocaleString("en");
const fields = Object.fromEntries(["filter", "flip", "model", "suite", "tag", "text"].map((name) => [name, byId(`by-${name}`)]));
const wanted = () => Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.value]));
const trialsBy = new Map();
let trials = [];
let matching = [];
let first = 0;
let searches = 0;

const caseKey = (trial) => `${trial.suite}/${trial.case}`;
const others = (trial) => trialsBy.get(caseKey(trial)).filter((one) => one !== trial);

const row = (trial) => {
  const under = [trial.model + again(trial), ...trial.tags].join(" · ");
  const details = el("details", { class: "case" },
    el("summary", {}, el("span", {}, mark(trial.standing, WORDS[trial.standing])),
      el("span", { class: "id" }, `${caseKey(trial)} `, trial.flip ? mark(trial.flip, FLIPS[trial.flip]) : null,
        el("span", { class: "under" }, under)),
      el("span", { class: "why" }, trial.reason)));
  details.addEventListener("toggle", () => { if (details.open) fill(details, trial); });
  return el("li", {}, details);
};
const filled = new WeakMap();
const fill = (details, trial) => {
  if (!filled.has(details)) filled.set(details, filling(details, trial));
  return filled.get(details);
};
const filling = async (details, trial) => {
  try {
    details.append(await caseBody(trial, others(trial), addressOf(trial)));
  } catch (problem) {
    details.append(el("p", {}, `This case cannot be shown: ${problem.message}`));
  }
};

const show = () => {
  const last = Math.min(first + PAGE, matching.length);
  byId("list").replaceChildren(...matching.slice(first, last).map(row));
  byId("found").textContent = `${count(matching.length)} of ${count(trials.length)} trials`;
  byId("pages").hidden = matching.length <= PAGE;
  byId("page").max = Math.ceil(matching.length / PAGE);
  byId("page").value = first / PAGE + 1;
  byId("of-pages").textContent = `of ${count(Math.ceil(matching.length / PAGE))}, trials ${count(first + 1)} to ${count(last)}`;
  byId("previous").disabled = first === 0;
  byId("next").disabled = last === matching.length;
};
const filter = async () => {
  const terms = wanted();
  const number = (searches += 1);
  let found = trials.filter((trial) => matches(trial, terms));
  if (terms.text) {
    const all = count(found.length);
    const tell = (done, hits) => { byId("found").textContent = `looked through ${count(done)} of ${all} trials, ${count(hits)} found`; };
    found = await search(found, terms.text, () => number === searches, tell);
  }
  if (number !== searches) return;
  matching = found;
  first = 0;
  show();
};
const turnTo = (page) => {
  const pages = Math.ceil(matching.length / PAGE);
  first = (Math.min(Math.max(Math.trunc(page) || 1, 1), pages) - 1) * PAGE;
  show();
  byId("cases").scrollIntoView();
};

// The address holds the filters, and the case that was opened among what they leave.
const terms = () =>
  Object.entries(wanted())
    .filter(([name, value]) => name === "filter" || value)
    .map(([name, value]) => `${name}=${encodeURIComponent(visible(value))}`)
    .join("&");
const addressOf = (trial) => `#${terms()}&${linkTo(trial).slice(1)}`;
const remember = () => history.replaceState(null, "", `#${terms()}`);
const decoded = (text) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};
const choose = (given) => {
  for (const [name, field] of Object.entries(fields)) field.value = given.get(name) ?? (name === "filter" ? "all" : "");
};
const named = (path) => {
  const [suite, name, model, repeat] = path.split("/").map(decoded);
  const found = (trialsBy.get(`${suite}/${name}`) ?? []).filter((t) => t.model === model && String(t.repeat) === repeat);
  // A model compared with its own earlier run has two such trials: the candidate's is meant.
  return found.find((t) => t.isCandidate) ?? found[0];
};
const openCase = async (path) => {
  const trial = named(path);
  if (!trial) {
    byId("found").textContent = `this run has no case ${decoded(path)}`;
    return;
  }
  if (!matching.includes(trial)) {
    choose(new Map());
    await filter();
  }
  const index = matching.indexOf(trial);
  first = index - (index % PAGE);
  show();
  const details = byId("list").children[index % PAGE].firstElementChild;
  await fill(details, trial);
  details.open = true;
  details.scrollIntoView();
  details.firstElementChild.focus({ preventScroll: true });
};
const follow = async () => {
  if (!/^#(case|filter)=/.test(location.hash)) return;
  const parts = location.hash.slice(1).split("&").map((term) => [term, term.indexOf("=")]);
  const given = new Map(parts.map(([term, at]) => [term.slice(0, at), term.slice(at + 1)]));
  choose(new Map([...given].map(([name, value]) => [name, decoded(value)])));
  await filter();
  if (given.has("case")) await openCase(given.get("case"));
  else byId("cases").scrollIntoView();
};

const options = (field, values) => {
  const sorted = [...new Set(values)].sort();
  field.append(...sorted.map((value) => el("option", { value }, value)));
  field.disabled = sorted.length === 0;
};
const listen = () => {
  let pause;
  byId("filters").addEventListener("input", () => {
    clearTimeout(pause);
    pause = setTimeout(() => { remember(); filter(); }, 120);
  });
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("clear").addEventListener("click", () => { choose(new Map()); remember(); filter(); });
  byId("previous").addEventListener("click", () => turnTo(first / PAGE));
  byId("next").addEventListener("click", () => turnTo(first / PAGE + 2));
  byId("page").addEventListener("change", () => turnTo(byId("page").value));
  window.addEventListener("hashchange", follow);
};
