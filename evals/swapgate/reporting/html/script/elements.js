// Elements are made by name, and every string in them becomes a text node with what is invisible made visible.
let invisible = /[^\s\S]/gu;
const hideNothing = (pattern) => {
  invisible = new RegExp(pattern.replace(/\\U([0-9a-f]{8})/g, "\\u{$1}"), "gu");
};
const escaped = (character) => {
  const code = character.codePointAt(0);
  const [letter, length] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
  return `\\${letter}${code.toString(16).padStart(length, "0")}`;
};
const visible = (text) => text.replaceAll("\r\n", "\n").replace(invisible, escaped);

const el = (tag, attributes, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, visible(value));
  node.append(...children.filter((one) => one !== null && one !== "").map((one) => (one instanceof Node ? one : visible(String(one)))));
  return node;
};
const pre = (label, ...children) => el("pre", { dir: "auto", tabindex: "0", role: "group", "aria-label": label }, ...children);
const mark = (kind, word) => el("span", { class: `mark ${kind}` }, word);
const quiet = (...children) => el("span", { class: "quiet" }, ...children);
