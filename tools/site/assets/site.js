// The search, the list of versions, and what a small screen needs. The pages work without it.
"use strict";

const site = document.getElementById("site").dataset;
const input = document.getElementById("site-search");
const results = document.getElementById("site-results");

// versions shows the versions that versions.js lists.
function versions() {
  const select = document.getElementById("site-versions");
  for (const version of window.siteVersions || []) {
    if (version !== site.version) select.add(new Option(version));
  }
  select.addEventListener("change", () => {
    location.href = site.root + "../" + select.value + "/index.html";
  });
}

// load fetches the index of the search at the first use. A script works from a file, too.
let loaded;
function load() {
  loaded ||= new Promise((done) => {
    const script = document.createElement("script");
    script.src = site.root + "assets/index.js";
    script.onload = done;
    document.head.append(script);
  });
  return loaded;
}

// rank returns how well an entry has all words, and 0 if it lacks one. Names count more than text,
// and a word in a short text counts more than in a long one.
function rank([, page, heading, text], words) {
  const [title, head, body] = [page, heading, text].map((s) => s.toLowerCase());
  const names = head.split(/[^\p{L}\p{N}_]+/u);
  let sum = 0;
  for (const word of words) {
    const times = body.split(word).length - 1;
    if (names.includes(word)) sum += 20;
    else if (head.includes(word)) sum += 10;
    else if (title.includes(word)) sum += 5;
    else if (times === 0) return 0;
    sum += Math.min(4, (100 * times * word.length) / (body.length + 100));
  }
  return sum;
}

// find returns the best entries for a query.
function find(query) {
  const words = query.toLowerCase().split(/[\s.]+/).filter(Boolean);
  if (words.length === 0) return [];
  return window.searchIndex
    .map((entry) => [rank(entry, words), entry])
    .filter(([sum]) => sum > 0)
    .sort(([a], [b]) => b - a)
    .slice(0, 20)
    .map(([, entry]) => ({ entry, excerpt: excerpt(entry[3], words[0]) }));
}

// excerpt returns the part of a text that has a word.
function excerpt(text, word) {
  const at = text.toLowerCase().indexOf(word) - 60;
  const from = at > 0 ? text.indexOf(" ", at) + 1 : 0;
  return (from > 0 ? "… " : "") + text.slice(from, from + 160);
}

// show lists what the search finds.
async function show() {
  await load();
  const found = find(input.value);
  results.replaceChildren(...found.map(({ entry: [address, page, heading], excerpt }) => {
    const link = document.createElement("a");
    link.href = site.root + address;
    const where = document.createElement("b");
    where.textContent = page === heading ? page : page + " › " + heading;
    link.append(where, " ", excerpt);
    const item = document.createElement("li");
    item.append(link);
    return item;
  }));
  if (found.length === 0 && input.value.trim() !== "") {
    const none = document.createElement("li");
    none.textContent = "Nothing found.";
    results.append(none);
  }
  results.hidden = input.value.trim() === "";
}

// move focuses the next link of the results, or the field above the first.
function move(by) {
  const all = [input, ...results.querySelectorAll("a")];
  const to = all.indexOf(document.activeElement) + by;
  if (all[to]) all[to].focus();
}

document.addEventListener("keydown", (event) => {
  const searching = event.target === input || results.contains(event.target);
  if (event.key === "/" && !searching) {
    event.preventDefault();
    input.focus();
  } else if (event.key === "Escape" && searching) {
    input.value = "";
    results.hidden = true;
    input.focus();
  } else if (searching && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    event.preventDefault();
    move(event.key === "ArrowDown" ? 1 : -1);
  } else if (event.key === "Enter" && event.target === input) {
    results.querySelector("a")?.click();
  }
});
document.addEventListener("click", (event) => {
  if (!event.target.closest("search")) results.hidden = true;
});
results.addEventListener("click", () => { results.hidden = true; });
input.addEventListener("focus", load);
input.addEventListener("input", show);

versions();
if (matchMedia("(max-width: 80rem)").matches) {
  document.querySelector("#site-contents details")?.removeAttribute("open");
}
const pages = document.getElementById("site-pages");
const here = pages.querySelector("[aria-current]");
if (here) pages.scrollTop = here.offsetTop - pages.clientHeight / 2;
