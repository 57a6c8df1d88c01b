"use strict";
// Browsing completions: filters, a search, a list of problems, and one problem's completions side by side.
// Every text goes into the page as text: none is read as HTML, as a URL or as a script.
(() => {
  const ON_A_PAGE = 40; // problems in the list
  const ROWS = 8; // samples of a kind, until more are asked for
  const FIRST = 2000, MORE = 100000; // characters of a text, until more are asked for
  const KEPT = 64; // parts in memory
  const [ID, SPLIT, OPENING, PART, CODES] = [0, 1, 2, 3, 4]; // of a problem in the index; codes are a column each
  const [TEXT, ANSWER, NOTE, LABEL] = [0, 1, 2, 3]; // of a completion in a part
  // As in samples.py: characters that show nothing, or change how others are shown.
  const HIDDEN = new RegExp("(?:[\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u180e" +
    "\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb\\u{e0000}-\\u{e007f}\\p{Surrogate}]|\\r(?!\\n))+", "gu");

  const at = (name) => document.getElementById(`samples-${name}`);
  const index = JSON.parse(at("index").textContent);
  const { columns, outcomes, problems } = index;
  const letter = new Map(outcomes.map((words, place) => [words, index.letters[place]]));
  const words = new Map(outcomes.map((words, place) => [index.letters[place], words]));
  const right = letter.get("correct");
  const ofSplit = new Map(), offset = []; // the columns of a split, and where among them each stands
  columns.forEach((column, place) => {
    if (!ofSplit.has(column.split)) ofSplit.set(column.split, []);
    offset.push(ofSplit.get(column.split).push(place) - 1);
  });
  const starts = new Map(); // the first problem of every part
  problems.forEach((problem, number) => { if (!starts.has(problem[PART])) starts.set(problem[PART], number); });
  const iterations = [...new Set(columns.map((column) => column.iteration))].sort((one, other) => one - other);

  // ---- making elements ----

  function make(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  /** A text, with what hides or reverses in it named instead: nodes to be put into the page. */
  function visible(text) {
    const nodes = [];
    let end = 0;
    for (const found of text.matchAll(HIDDEN)) {
      const points = [...found[0]].map((each) => `U+${each.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`);
      const named = points.length > 4 ? `${points.slice(0, 4).join(" ")} and ${points.length - 4} more` : points.join(" ");
      nodes.push(text.slice(end, found.index), make("span", { class: "control" }, named));
      end = found.index + found[0].length;
    }
    nodes.push(text.slice(end));
    return nodes;
  }

  /** The same, with what was searched for marked. */
  function marked(text, sought) {
    if (!sought) return visible(text);
    const nodes = [];
    let end = 0;
    sought.lastIndex = 0; // where a test for it has left it
    for (const found of text.matchAll(sought)) {
      nodes.push(...visible(text.slice(end, found.index)), make("mark", {}, ...visible(found[0])));
      end = found.index + found[0].length;
    }
    nodes.push(...visible(text.slice(end)));
    return nodes;
  }

  /** A text of any length, of which the beginning is shown until more is asked for. */
  function long(text, sought) {
    const shown = make("pre", { dir: "auto" });
    let length = Math.min(text.length, FIRST);
    shown.append(...marked(text.slice(0, length), sought));
    if (text.length <= FIRST) return [shown];
    const button = make("button", { type: "button" });
    const name = () => {
      button.textContent = `Show more (${length.toLocaleString("en")} of ${text.length.toLocaleString("en")} characters)`;
    };
    name();
    button.addEventListener("click", () => {
      const before = length;
      length = Math.min(text.length, length + MORE);
      shown.append(...marked(text.slice(before, length), sought));
      if (length === text.length) button.remove();
      else name();
    });
    return [shown, button];
  }

  // ---- parts: in the page, or files beside it ----

  const parts = new Map(), waiting = new Map(); // promises of parts; what takes those that are being read
  const policy = globalThis.trustedTypes?.createPolicy("samples", { createScriptURL: (url) => url }) ??
    { createScriptURL: (url) => url };
  globalThis.samplesPart = (number, content) => waiting.get(number)?.(content);

  /** The problems of a part, as a promise. */
  function part(number) {
    if (!parts.has(number)) {
      const inside = at(`part-${number}`);
      parts.set(number, inside ? Promise.resolve(JSON.parse(inside.textContent)) : file(number));
      if (parts.size > KEPT) parts.delete(parts.keys().next().value);
    }
    return parts.get(number);
  }

  function file(number) {
    const url = `${index.folder}/${String(number).padStart(4, "0")}.js`, script = document.createElement("script");
    return new Promise((resolve, reject) => {
      let read = false;
      const end = () => {
        waiting.delete(number);
        script.remove();
        if (read) return;
        parts.delete(number); // to be asked for again
        reject(new Error(`${url} cannot be read; it belongs beside this page`));
      };
      waiting.set(number, (content) => { read = true; resolve(content); });
      script.addEventListener("error", end);
      script.addEventListener("load", end);
      script.src = policy.createScriptURL(url);
      document.head.append(script);
    });
  }

  /** What a part has of a problem. */
  async function content(number) {
    const problem = problems[number];
    const found = (await part(problem[PART]))[number - starts.get(problem[PART])];
    if (found?.id !== problem[ID]) throw new Error("page and files are of different reports; write the report again");
    return found;
  }

  // ---- filters ----

  const asked = { model: "", seed: "", setting: "", role: "", split: "", iteration: "", outcome: "", change: "" };
  let sought = null, found = [], page = 0, open = -1, turn = 0;

  const fitting = (column) => ["model", "seed", "setting", "role", "split"].every((name) => !asked[name] || column[name] === asked[name]);
  const kinds = (split) => ofSplit.get(split).filter((place) => fitting(columns[place]));
  const codes = (problem, place) => problem[CODES + offset[place]];
  const chosen = (split) => kinds(split).filter((place) => !asked.iteration || columns[place].iteration === Number(asked.iteration));

  /** How many completions of a problem the filters leave, without the search. */
  function count(problem, places) {
    const wanted = letter.get(asked.outcome);
    let sum = 0;
    for (const place of places) {
      const own = codes(problem, place);
      if (!wanted) sum += own.length;
      else for (const code of own) sum += code === wanted;
    }
    return sum;
  }

  /** The share of a problem's completions that are right: at the first or the last iteration of all. */
  function share(problem, places, iteration) {
    let sum = 0, of = 0;
    for (const place of places) {
      if (columns[place].iteration !== iteration) continue;
      for (const code of codes(problem, place)) { sum += code === right; of += 1; }
    }
    return of ? sum / of : null;
  }

  function changed(problem, places) {
    const own = places.map((place) => columns[place].iteration);
    const first = share(problem, places, Math.min(...own)), last = share(problem, places, Math.max(...own));
    if (first === null || last === null) return false;
    return { better: last > first, worse: last < first, same: last === first }[asked.change];
  }

  /** Which completions of a problem the search finds; all, where question or id hold the words. */
  function says(number, text) {
    if (!sought || holds(problems[number][ID]) || text.problem.some(([, own]) => holds(own))) return () => true;
    return (place, row) => holds(text.said[offset[place]][row][TEXT]);
  }

  function holds(text) {
    sought.lastIndex = 0;
    return sought.test(text);
  }

  function matches(number, text, places) {
    const problem = problems[number], wanted = letter.get(asked.outcome), inRow = says(number, text);
    let sum = 0;
    for (const place of places) {
      const own = codes(problem, place);
      for (let row = 0; row < own.length; row += 1) sum += (!wanted || own[row] === wanted) && inRow(place, row);
    }
    return sum;
  }

  const breath = () => new Promise((resolve) => setTimeout(resolve));

  /** Find anew; what was found so far is shown while parts are read. */
  async function find() {
    turn += 1;
    const mine = turn, total = problems.length;
    const places = new Map([...ofSplit.keys()].map((split) => [split, chosen(split)]));
    const all = new Map([...ofSplit.keys()].map((split) => [split, kinds(split)]));
    const next = [];
    let sum = 0, last = performance.now();
    const show = (rest, into) => {
      found = next;
      list();
      at("status").textContent = at("progress").textContent = "";
      at(into).textContent = `${next.length.toLocaleString("en")} of ${total.toLocaleString("en")} problems, ` +
        `${sum.toLocaleString("en")} completions${rest}`;
    };
    page = 0;
    try {
      for (let number = 0; number < total; number += 1) {
        const problem = problems[number], own = places.get(problem[SPLIT]);
        let here = own.length ? count(problem, own) : 0;
        if (here && asked.change && !changed(problem, all.get(problem[SPLIT]))) here = 0;
        if (here && sought) {
          const text = await content(number);
          if (mine !== turn) return;
          here = matches(number, text, own);
        }
        if (here) { next.push(number); sum += here; }
        if (performance.now() - last > 200) {
          show(`; searched ${Math.floor(100 * number / total)} %`, "progress");
          await breath();
          if (mine !== turn) return;
          last = performance.now();
        }
      }
    } catch (error) {
      if (mine !== turn) return;
      show(`; ${error.message}`, "status");
      return;
    }
    show("", "status");
    if (open < 0 || !next.includes(open)) openProblem(next.length ? next[0] : -1);
    else openProblem(open);
  }

  // ---- the list ----

  const mark = (code) => (code === right ? "✓" : index.wrong.includes(code) ? "✗" : "–");

  /** A kind's outcomes over the iterations, in a few characters and in words. */
  function course(problem, places) {
    const byKind = new Map();
    for (const place of places) {
      const column = columns[place], own = codes(problem, place);
      if (column.role.startsWith("judged by ") || !own.length) continue;
      if (!byKind.has(column.role)) byKind.set(column.role, new Map());
      const byIteration = byKind.get(column.role);
      byIteration.set(column.iteration, (byIteration.get(column.iteration) ?? "") + own);
    }
    return [...byKind].slice(0, 3).map(([role, byIteration]) => {
      const each = [...byIteration].sort(([one], [other]) => one - other).map(([, own]) => own);
      const single = each.every((own) => own.length === 1);
      const short = single ? each.map(mark) : each.map((own) => `${[...own].filter((code) => code === right).length}/${own.length}`);
      const spoken = single ? each.map((own) => words.get(own)).join(", ") : `correct ${short.join(", ")}`;
      return make("span", { class: "course", role: "img", "aria-label": `${role}: ${spoken}` }, `${role} ${short.join(" ")}`);
    });
  }

  function list() {
    const pages = Math.max(1, Math.ceil(found.length / ON_A_PAGE));
    page = Math.max(0, Math.min(page, pages - 1));
    const from = page * ON_A_PAGE, shown = found.slice(from, from + ON_A_PAGE);
    const focused = at("list").contains(document.activeElement) ? document.activeElement.dataset.number : null;
    at("list").replaceChildren(...shown.map((number, place) => {
      const problem = problems[number];
      const button = make("button", { type: "button", tabindex: place ? "-1" : "0", "data-number": number },
        make("span", { class: "id", dir: "auto" }, ...visible(problem[ID])), " ",
        make("span", { class: "opening", dir: "auto" }, ...visible(problem[OPENING])), " ",
        ...course(problem, chosen(problem[SPLIT])));
      button.addEventListener("click", () => openProblem(number, true));
      return make("li", {}, button);
    }));
    at("list").start = from + 1;
    at("pages").hidden = pages < 2;
    at("page").textContent = found.length ? `${from + 1} to ${from + shown.length} of ${found.length.toLocaleString("en")}` : "";
    at("before").disabled = page === 0;
    at("after").disabled = page === pages - 1;
    current();
    if (focused) buttons().find((button) => button.dataset.number === focused)?.focus();
  }

  const buttons = () => [...at("list").querySelectorAll("button")];

  function current() {
    const own = buttons(), opened = own.find((button) => Number(button.dataset.number) === open);
    for (const button of own) {
      button.tabIndex = button === (opened ?? own[0]) ? 0 : -1;
      if (button === opened) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
  }

  function turnPage(by, focus) {
    page += by;
    list();
    const own = buttons();
    if (focus) own[by > 0 ? 0 : own.length - 1]?.focus();
  }

  at("list").addEventListener("keydown", (event) => {
    const own = buttons(), place = own.indexOf(document.activeElement);
    const to = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: own.length - 1 }[event.key];
    if (event.key === "PageDown" || to === own.length) { if (!at("after").disabled) turnPage(1, true); }
    else if (event.key === "PageUp" || to === -1) { if (!at("before").disabled) turnPage(-1, true); }
    else if (to !== undefined) own[to].focus();
    else return;
    event.preventDefault();
  });
  at("before").addEventListener("click", () => turnPage(-1, false));
  at("after").addEventListener("click", () => turnPage(1, false));

  // ---- one problem ----

  /** Open a problem; ``focus``: and go there. */
  async function openProblem(number, focus) {
    open = number;
    const into = at("problem");
    if (number < 0) {
      into.replaceChildren(make("p", {}, "Nothing is left by these filters."));
      return;
    }
    current();
    let text;
    try {
      text = await content(number);
    } catch (error) {
      if (number === open) into.replaceChildren(make("p", {}, error.message));
      return;
    }
    if (number !== open) return;
    const problem = problems[number], heading = make("h3", { tabindex: "-1", dir: "auto" }, ...visible(problem[ID]));
    into.replaceChildren(heading, steps(number), ...question(text), ...side(number, text));
    if (focus) {
      history.replaceState(null, "", `#problem=${number + 1}`);
      heading.focus();
    }
  }

  /** Where a problem stands among those found, and the way to the ones beside it. */
  function steps(number) {
    const place = found.indexOf(number), split = problems[number][SPLIT];
    const step = (by, name) => {
      const button = make("button", { type: "button" }, name);
      button.disabled = place < 0 || found[place + by] === undefined;
      button.addEventListener("click", () => {
        page = Math.floor((place + by) / ON_A_PAGE);
        list();
        openProblem(found[place + by], true);
      });
      return button;
    };
    return make("p", { class: "small soft" }, `${split}${place < 0 ? "" : `, ${place + 1} of ${found.length.toLocaleString("en")}`} `, step(-1, "Previous"), " ", step(1, "Next"));
  }

  function question(text) {
    return text.problem.map(([name, own], place) => place
      ? make("details", {}, make("summary", {}, name), ...long(own, sought))
      : make("div", { class: "sheet" }, ...long(own, sought)));
  }

  /** Every kind as a table: iterations beside each other, a sample a row. */
  function side(number, text) {
    const problem = problems[number], groups = new Map();
    for (const place of chosen(problem[SPLIT])) {
      if (!codes(problem, place).length) continue;
      const { model, seed, setting, role } = columns[place];
      const name = [model, seed && `seed ${seed}`, setting, role].filter(Boolean).join(", ");
      if (!groups.has(name)) groups.set(name, []);
      groups.get(name).push(place);
    }
    return [...groups].flatMap(([name, places]) => kind(number, text, name, places));
  }

  function kind(number, text, name, places) {
    const problem = problems[number], wanted = letter.get(asked.outcome), inRow = says(number, text);
    const said = (place) => text.said[offset[place]];
    const labels = new Map(); // a row's label: the completion of every column that has one
    for (const place of places) said(place).forEach((each, row) => {
      const label = each[LABEL] ?? String(row);
      if (!labels.has(label)) labels.set(label, { cells: new Map(), fits: false });
      const own = labels.get(label), code = codes(problem, place)[row];
      own.cells.set(place, [each, code]);
      own.fits ||= (!wanted || code === wanted) && inRow(place, row);
    });
    const rows = [...labels], fits = rows.filter(([, row]) => row.fits);
    if (!fits.length) return [];
    const heading = make("h4", {}, name), body = make("tbody", {});
    const head = make("tr", {}, make("th", { scope: "col" }, "Sample"),
      ...places.map((place) => make("th", { scope: "col" }, `t = ${columns[place].iteration}`)));
    const table = make("table", { class: "side" }, make("thead", {}, head), body);
    const region = make("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": name }, table);
    const more = make("button", { type: "button" });
    const fill = (these) => {
      body.replaceChildren(...these.map(([label, row]) => make("tr", {}, make("th", { scope: "row" }, label),
        ...places.map((place) => cell(row.cells.get(place))))));
      const rest = rows.length - these.length;
      more.hidden = !rest;
      more.textContent = `Show the other ${rest.toLocaleString("en")}${fits.length < rows.length ? ", found or not" : ""}`;
    };
    more.addEventListener("click", () => { fill(rows); region.focus(); });
    fill(fits.slice(0, ROWS));
    return [heading, region, more];
  }

  function cell(own) {
    if (!own) return make("td", { class: "soft" }, "–");
    const [each, code] = own;
    const head = make("p", {}, make("span", { class: `outcome ${code === right ? "right" : index.wrong.includes(code) ? "wrong" : ""}` }, words.get(code)));
    if (each[ANSWER]) head.append(make("span", { class: "answer", dir: "auto" }, ...visible(each[ANSWER].slice(0, 200))));
    if (each[NOTE]) head.append(" ", make("span", { class: "small soft" }, ...visible(each[NOTE].slice(0, 500))));
    return make("td", {}, head, ...(each[TEXT] ? long(each[TEXT], sought) : [make("p", { class: "small soft" }, "no text")]));
  }

  at("problem").addEventListener("keydown", (event) => {
    if (event.key === "Escape") buttons().find((button) => button.tabIndex === 0)?.focus();
  });

  // ---- the form ----

  const CHANGES = { better: "more correct than at first", worse: "fewer correct than at first", same: "as many correct as at first" };
  const unique = (name) => [...new Set(columns.map((column) => column[name]))].map((value) => [value, value]);
  const options = {
    model: unique("model"), seed: unique("seed"), setting: unique("setting"), role: unique("role"), split: unique("split"),
    iteration: iterations.map((each) => [String(each), `t = ${each}`]),
    outcome: outcomes.map((each) => [each, each]),
    change: iterations.length > 1 && right ? Object.entries(CHANGES) : [],
  };
  for (const [name, own] of Object.entries(options)) {
    const select = at(name);
    select.append(make("option", { value: "" }, "all"), ...own.map(([value, named]) => make("option", { value }, ...visible(named))));
    select.closest("label").hidden = own.length < (name === "change" ? 1 : 2);
    select.addEventListener("change", () => { asked[name] = select.value; find(); });
  }

  let timer = 0;
  function seek() {
    clearTimeout(timer);
    const text = at("text").value.trim();
    sought = text ? new RegExp(text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), "giu") : null;
    find();
  }
  at("text").addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(seek, 250); });
  at("form").addEventListener("submit", (event) => { event.preventDefault(); seek(); });

  function called() {
    const number = Number(/^#problem=([0-9]{1,9})$/.exec(location.hash)?.[1]) - 1;
    if (!problems[number]) return false;
    openProblem(number, true);
    return true;
  }
  addEventListener("hashchange", called);

  document.documentElement.classList.add("browsing");
  at("app").hidden = false;
  find().then(called);
})();
