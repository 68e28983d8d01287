// The list is built from the index; what the address names is opened.
const start = async () => {
  const index = await unpack("index");
  hideNothing(index.invisible);
  trials = trialsOf(index);
  for (const trial of trials) {
    const key = caseKey(trial);
    if (trialsBy.has(key)) trialsBy.get(key).push(trial);
    else trialsBy.set(key, [trial]);
  }
  matching = trials;
  options(fields.model, trials.map((trial) => trial.model));
  options(fields.suite, trials.map((trial) => trial.suite));
  options(fields.tag, trials.flatMap((trial) => trial.tags));
  fields.flip.disabled = !trials.some((trial) => trial.flip);
  byId("filters").hidden = false;
  listen();
  show();
  await follow();
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
};
start().catch((problem) => {
  byId("found").textContent = `The cases cannot be shown (${problem.message}): this needs a browser of 2023 or newer. report.json holds them all.`;
});
