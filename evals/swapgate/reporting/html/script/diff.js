// What changed between two texts, word by word: Myers, "An O(ND) difference algorithm" (1986).
const FARTHEST = 1200;

// Returns [kind, text] in order, kind being "same", "out" or "in". Texts that have too little in common for it
// are told apart as wholes.
const diff = (before, after) => {
  const [old, now] = [before, after].map((text) => text.match(/\p{L}+|\p{N}+|\s+|[^]/gu) ?? []);
  let head = 0;
  while (head < old.length && head < now.length && old[head] === now[head]) head += 1;
  let tail = 0;
  while (tail < Math.min(old.length, now.length) - head && old.at(-1 - tail) === now.at(-1 - tail)) tail += 1;
  const middle = edits(old.slice(head, old.length - tail), now.slice(head, now.length - tail));
  return joined([
    ...old.slice(0, head).map((word) => ["same", word]),
    ...middle,
    ...old.slice(old.length - tail).map((word) => ["same", word]),
  ]);
};

const edits = (old, now) => {
  const trace = [];
  let reach = new Map([[1, 0]]);
  for (let distance = 0; distance <= old.length + now.length; distance += 1) {
    if (distance > FARTHEST) return [...old.map((word) => ["out", word]), ...now.map((word) => ["in", word])];
    trace.push(reach);
    const next = new Map();
    for (let k = -distance; k <= distance; k += 2) {
      const isDown = k === -distance || (k !== distance && (reach.get(k - 1) ?? -1) < (reach.get(k + 1) ?? -1));
      let x = isDown ? reach.get(k + 1) : reach.get(k - 1) + 1;
      while (x < old.length && x - k < now.length && old[x] === now[x - k]) x += 1;
      next.set(k, x);
      if (x >= old.length && x - k >= now.length) return backtracked(trace, old, now);
    }
    reach = next;
  }
  return [];
};

const backtracked = (trace, old, now) => {
  const found = [];
  let [x, y] = [old.length, now.length];
  for (let distance = trace.length - 1; distance >= 0; distance -= 1) {
    const reach = trace[distance];
    const k = x - y;
    const isDown = k === -distance || (k !== distance && (reach.get(k - 1) ?? -1) < (reach.get(k + 1) ?? -1));
    const fromX = reach.get(isDown ? k + 1 : k - 1);
    const fromY = fromX - (isDown ? k + 1 : k - 1);
    while (x > fromX && y > fromY && x > 0 && y > 0) {
      x -= 1;
      y -= 1;
      found.push(["same", old[x]]);
    }
    if (distance === 0) break;
    if (isDown) found.push(["in", now[(y -= 1)]]);
    else found.push(["out", old[(x -= 1)]]);
  }
  return found.reverse();
};

const joined = (pieces) => {
  const whole = [];
  for (const [kind, text] of pieces) {
    if (whole.at(-1)?.[0] === kind) whole.at(-1)[1] += text;
    else whole.push([kind, text]);
  }
  return whole;
};
