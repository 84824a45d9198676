// Rollouts, two at a time: filters by kind and by words, and a pager. Every text goes in as text, never as HTML.
(() => {
  const AT_ONCE = 2;
  const data = JSON.parse(document.getElementById("report-data").textContent).rollouts;
  const make = (tag, name, ...children) => {
    const made = document.createElement(tag);
    if (name) made.className = name;
    made.append(...children);
    return made;
  };
  const signed = (value) => (Number(value) < 0 ? `${value}` : `+${value}`);

  function token([text, probability, credit]) {
    const sign = Number(credit) > 0 ? " u" : Number(credit) < 0 ? " d" : "";
    const made = make("span", `t p${Math.min(Math.floor(10 * probability), 9)}${sign}`, text);
    made.title = `p ${probability}, credit ${signed(credit)}`;
    return made;
  }

  function labelled(...parts) {
    const line = make("p", "small quiet");
    for (const [label, text] of parts) {
      if (line.firstChild) line.append("; ");
      line.append(label);
      if (text !== null) line.append(" ", make("bdi", "", text));
    }
    return line;
  }

  function article(one) {
    const right = one.kinds.includes("right");
    const facts = one.facts.map((fact) => make("span", "small quiet", fact));
    const made = make("article", "rollout", make("header", "", make("span", `verdict ${right ? "right" : "wrong"}`, `${right ? "✓" : "✗"} ${one.verdict}`), ...facts));
    made.append(one.question === null ? labelled([`problem ${one.problem}`, null]) : make("p", "small question", make("bdi", "", one.question)));
    const answer = one.answer === null ? ["no answer found", null] : ["answered", one.answer];
    const gold = one.gold !== null ? [["right answer", one.gold]] : one.solution !== null ? [["a solution", one.solution]] : [];
    made.append(labelled(...gold, answer));
    const text = make("pre", "", ...(one.text === null ? one.tokens.map(token) : [one.text]));
    if (one.more) text.append(make("span", "quiet", ` … ${one.more} more tokens`));
    text.tabIndex = 0;
    text.setAttribute("role", "region");
    text.setAttribute("aria-label", one.text === null ? "Response, token by token" : "Response");
    made.append(text);
    if (one.gold !== null && one.solution !== null) made.append(make("details", "small", make("summary", "", "A solution"), make("pre", "", one.solution)));
    return made;
  }

  for (const pager of document.querySelectorAll("[data-rollouts]")) {
    const all = data[pager.dataset.rollouts], place = pager.querySelector(".shown"), told = pager.querySelector("[role=status]");
    const kinds = [...pager.querySelectorAll("[data-kind]")], turns = [...pager.querySelectorAll("[data-turn]")], words = pager.querySelector("input");
    const texts = all.map((one) => [one.question, one.answer, one.text ?? one.tokens.map(([text]) => text).join("")].join("\n").toLowerCase());
    let kind = "", first = 0;
    function show() {
      const wanted = words.value.toLowerCase();
      const found = all.filter((one, i) => (!kind || one.kinds.includes(kind)) && texts[i].includes(wanted));
      first = Math.max(0, Math.min(first, AT_ONCE * Math.floor((found.length - 1) / AT_ONCE)));
      const shown = found.slice(first, first + AT_ONCE), last = first + shown.length;
      place.replaceChildren(...shown.map(article));
      told.textContent = found.length ? `${first + 1}${shown.length > 1 ? ` to ${last}` : ""} of ${found.length}` : "none";
      for (const turn of turns) turn.setAttribute("aria-disabled", String(turn.dataset.turn < 0 ? first === 0 : last >= found.length));
    }
    for (const button of kinds) {
      button.addEventListener("click", () => {
        kind = button.dataset.kind;
        first = 0;
        for (const other of kinds) other.setAttribute("aria-pressed", String(other === button));
        show();
      });
    }
    for (const turn of turns) turn.addEventListener("click", () => { if (turn.getAttribute("aria-disabled") !== "true") { first += AT_ONCE * turn.dataset.turn; show(); } });
    words.addEventListener("input", () => { first = 0; show(); });
    show();
  }
})();
