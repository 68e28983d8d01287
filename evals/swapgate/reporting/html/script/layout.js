// JSON laid out the same way whoever wrote it: its strings and numbers stay as they were written.
// Deeper levels are not indented further: ten thousand of them would fill the memory with blanks.
const DEEPEST_INDENT = 40;
const JSON_TOKEN = /"(?:[^"\\]|\\[^])*"|[{}[\],:]|[^\s{}[\],:"]+/g;

// Returns null where the text is not one object or array.
const laidOut = (text) => {
  try {
    if (typeof JSON.parse(text) !== "object") return null;
  } catch {
    return null;
  }
  const tokens = text.match(JSON_TOKEN);
  let depth = 0;
  const turn = () => `\n${"  ".repeat(Math.min(depth, DEEPEST_INDENT))}`;
  return tokens.map((token, index) => {
    const [before, after] = [tokens[index - 1], tokens[index + 1]];
    if (token === "{" || token === "[") {
      depth += 1;
      return "}]".includes(after) ? token : token + turn();
    }
    if (token === "}" || token === "]") {
      depth -= 1;
      return "{[".includes(before) ? token : turn() + token;
    }
    return token === "," ? token + turn() : token === ":" ? ": " : token;
  }).join("");
};
