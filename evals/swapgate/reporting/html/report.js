"use strict";
(() => {
  const PAGE = 100;
  const WORDS = { blind: "Blind pass", missed: "Missed", errored: "Errored", unscored: "Unscored", passed: "Passed" };
  const { trials, texts } = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const fields = { filter: byId("by-filter"), model: byId("by-model"), suite: byId("by-suite"), tag: byId("by-tag"), text: byId("by-text") };
  const list = byId("list");
  let matching = trials;
  let first = 0;

  // Every text of the data becomes a text node: nothing in it is ever read as markup.
  const el = (tag, attributes, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children.filter((child) => child !== null && child !== ""));
    return node;
  };
  const block = (title, text) => (text ? [el("h3", {}, title), el("pre", { dir: "auto", tabindex: "0" }, text)] : []);
  const minor = (title, text) => (text ? [el("h4", {}, title), el("pre", { dir: "auto", tabindex: "0" }, text)] : []);
  const mark = (kind, word) => el("span", { class: `mark ${kind}` }, word);
  const linkTo = (trial) => "#case=" + [trial.suite, trial.case, trial.model, String(trial.repeat)].map(encodeURIComponent).join("/");
  const again = (trial) => (trial.repeat > 1 ? ` #${trial.repeat}` : "") + (trial.role === "baseline" ? " (baseline)" : "");

  const prompt = (trial) => trial.messages.flatMap(([role, number]) => minor(role, texts[number]));
  const finding = (found) =>
    el("li", {}, found.message,
      found.pointer ? el("span", { class: "quiet" }, " at ", el("code", {}, found.pointer)) : null,
      found.wanted ? el("p", {}, "wanted ", el("code", {}, found.wanted)) : null,
      found.got ? el("p", {}, "got ", el("code", {}, found.got)) : null);
  const check = (result) =>
    el("li", {}, mark(result.passed ? "passed" : "missed", result.passed ? "Passed" : "Failed"), ` ${result.name} `,
      el("span", { class: "quiet" }, result.kind),
      result.findings.length ? el("ul", {}, ...result.findings.map(finding)) : null);
  const scores = (pairs) => (pairs.length ? el("p", {}, pairs.map(([name, value]) => `${name} ${value}`).join(", ")) : null);
  const evidence = ([quote, isVerbatim]) =>
    el("li", {}, el("q", {}, quote), " ", mark(isVerbatim ? "passed" : "missed", isVerbatim ? "verbatim" : "not in the answer"));
  const sample = (one, index) =>
    el("details", {},
      el("summary", {}, `Sample ${index + 1}: ${one.status}${one.criterion ? `, ${one.criterion}` : ""}`),
      scores(one.scores),
      one.problem ? el("p", {}, one.problem) : null,
      one.reasoning ? el("p", { dir: "auto" }, one.reasoning) : null,
      one.evidence.length ? el("ul", {}, ...one.evidence.map(evidence)) : null,
      ...minor("As the judge wrote it", one.raw));
  const verdictMark = (verdict) => {
    if (verdict.status === "inapplicable") return el("span", { class: "quiet" }, "Not asked");
    if (verdict.status === "unscored") return mark("unscored", WORDS.unscored);
    if (verdict.status !== "scored") return mark("errored", verdict.status === "error" ? "Errored" : "Skipped");
    return mark(verdict.passed ? "passed" : "missed", verdict.passed ? "Passed" : "Failed");
  };
  const verdict = (one) =>
    el("li", {}, verdictMark(one), ` ${one.judge} `, el("span", { class: "quiet" }, `by ${one.model}`),
      scores(one.scores), one.reason ? el("p", { dir: "auto" }, one.reason) : null,
      ...(one.rival ? minor(`The answer of ${one.rival[0]} that it was compared with`, one.rival[1]) : []),
      one.opinions.length ? el("ul", {}, ...one.opinions.map((line) => el("li", { dir: "auto" }, line))) : null,
      ...one.samples.map(sample));
  const section = (title, items) => (items.length ? [el("h3", {}, title), el("ul", {}, ...items)] : []);
  const siblings = (trial) => {
    const others = trials.filter((t) => t !== trial && t.suite === trial.suite && t.case === trial.case);
    return section("The same case", others.map((t) => el("li", {}, mark(t.standing, WORDS[t.standing]), " ", el("a", { href: linkTo(t) }, t.model + again(t)))));
  };
  const errorBlock = (trial) => (trial.error ? block(`Error: ${trial.error.kind}, from ${trial.error.source}`, trial.error.message) : []);
  const responseBlock = (trial) => {
    if (trial.response === null) return [el("h3", {}, "Response"), el("p", { class: "quiet" }, "none")];
    return trial.response ? block("Response", trial.response) : [el("h3", {}, "Response"), el("p", { class: "quiet" }, "empty")];
  };
  const body = (trial) =>
    el("div", { class: "body" },
      el("p", { class: "quiet" }, trial.where, " ", el("a", { href: linkTo(trial) }, "Link to this case")),
      ...errorBlock(trial),
      el("div", { class: "pair" }, el("div", {}, ...responseBlock(trial)), el("div", {}, ...block("Expected", trial.expected))),
      ...section("Checks", trial.checks.map(check)),
      ...section("Judges", trial.verdicts.map(verdict)),
      ...(trial.messages.length ? [el("h3", {}, "Prompt as rendered"), ...prompt(trial)] : []),
      ...siblings(trial),
      el("dl", {}, ...trial.numbers.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))));

  const row = (trial) => {
    const under = [trial.model + again(trial), ...trial.tags].join(" · ");
    const details = el("details", { class: "case" },
      el("summary", {}, el("span", {}, mark(trial.standing, WORDS[trial.standing])),
        el("span", { class: "id" }, `${trial.suite}/${trial.case}`, el("span", { class: "under" }, under)),
        el("span", { class: "why" }, trial.reason)));
    details.addEventListener("toggle", () => {
      if (details.open && details.children.length === 1) details.append(body(trial));
    });
    return el("li", {}, details);
  };

  const passes = (trial, wanted) =>
    (wanted.filter === "all" || trial.standing === wanted.filter || (wanted.filter === "missed" && trial.standing === "blind")) &&
    (!wanted.model || trial.model === wanted.model) &&
    (!wanted.suite || trial.suite === wanted.suite) &&
    (!wanted.tag || trial.tags.includes(wanted.tag)) &&
    (!wanted.text || words(trial).includes(wanted.text.toLowerCase()));
  const words = (trial) => {
    trial.words ??= [trial.suite + "/" + trial.case, trial.reason, trial.response ?? "", trial.error?.message ?? ""].join("\n").toLowerCase();
    return trial.words;
  };
  const wanted = () => Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.value]));

  const show = () => {
    const last = Math.min(first + PAGE, matching.length);
    list.replaceChildren(...matching.slice(first, last).map(row));
    byId("found").textContent = `${matching.length.toLocaleString("en")} of ${trials.length.toLocaleString("en")} trials`;
    byId("page").textContent = `${first + 1} to ${last}`;
    byId("pages").hidden = matching.length <= PAGE;
    byId("previous").disabled = first === 0;
    byId("next").disabled = last === matching.length;
  };
  const filter = () => {
    const terms = wanted();
    matching = trials.filter((trial) => passes(trial, terms));
    first = 0;
    show();
  };
  const remember = () => {
    const terms = Object.entries(wanted()).filter(([name, value]) => name === "filter" || value);
    history.replaceState(null, "", "#" + terms.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&"));
  };
  const turn = (step) => {
    first += step * PAGE;
    show();
    byId("cases").scrollIntoView();
  };

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
  const openCase = (path) => {
    const [suite, name, model, repeat] = path.split("/").map(decoded);
    const isNamed = (t) => t.suite === suite && t.case === name && t.model === model && String(t.repeat) === repeat;
    // A model compared with its own earlier run has two such trials: the candidate's is meant.
    const candidate = trials.findIndex((t) => isNamed(t) && t.role === "candidate");
    const index = candidate < 0 ? trials.findIndex(isNamed) : candidate;
    if (index < 0) return;
    choose(new Map());
    matching = trials;
    first = index - (index % PAGE);
    show();
    const details = list.children[index % PAGE].firstElementChild;
    details.append(body(trials[index]));
    details.open = true;
    details.scrollIntoView();
    details.firstElementChild.focus({ preventScroll: true });
  };
  const openFilter = (terms) => {
    const given = new Map(terms.split("&").map((term) => [term.slice(0, term.indexOf("=")), decoded(term.slice(term.indexOf("=") + 1))]));
    choose(given);
    filter();
    byId("cases").scrollIntoView();
  };
  const follow = () => {
    const hash = location.hash.slice(1);
    if (hash.startsWith("case=")) openCase(hash.slice(5));
    else if (hash.startsWith("filter=")) openFilter(hash);
  };

  const options = (field, values) => {
    const sorted = [...new Set(values)].sort();
    field.append(...sorted.map((value) => el("option", { value }, value)));
    field.disabled = sorted.length === 0;
  };
  options(fields.model, trials.map((trial) => trial.model));
  options(fields.suite, trials.map((trial) => trial.suite));
  options(fields.tag, trials.flatMap((trial) => trial.tags));
  byId("filters").hidden = false;
  let pause;
  byId("filters").addEventListener("input", () => {
    clearTimeout(pause);
    pause = setTimeout(() => { filter(); remember(); }, 120);
  });
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("clear").addEventListener("click", () => {
    choose(new Map());
    filter();
    remember();
  });
  byId("previous").addEventListener("click", () => turn(-1));
  byId("next").addEventListener("click", () => turn(1));
  window.addEventListener("hashchange", follow);
  show();
  follow();
})();
