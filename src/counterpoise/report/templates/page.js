"use strict";
// The page without its charts: theme, tabs, and what the charts ask of both.
const page = (() => {
  const root = document.documentElement;
  const wishes = matchMedia("(prefers-color-scheme: dark)");
  const onTheme = [], onShown = [];
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : wishes.matches);

  const toggle = document.querySelector(".theme");
  const told = () => {
    toggle.textContent = dark() ? "Light" : "Dark";
    onTheme.forEach((listener) => listener());
  };
  toggle.hidden = false;
  toggle.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; told(); });
  wishes.addEventListener("change", told);
  toggle.textContent = dark() ? "Light" : "Dark";

  for (const list of document.querySelectorAll('[role="tablist"]')) {
    const tabs = [...list.querySelectorAll('[role="tab"]')];
    const select = (chosen) => {
      for (const tab of tabs) {
        const is = tab === chosen;
        tab.setAttribute("aria-selected", String(is));
        tab.tabIndex = is ? 0 : -1;
        const panel = tab.getAttribute("aria-controls");
        document.getElementById(panel).hidden = !is;
        // What belongs to a panel and stands elsewhere goes with it.
        for (const part of document.querySelectorAll(`[data-with="${panel}"]`)) part.hidden = !is;
      }
      onShown.forEach((listener) => listener());
    };
    for (const tab of tabs) tab.addEventListener("click", () => select(tab));
    list.addEventListener("keydown", (event) => {
      const at = tabs.indexOf(document.activeElement), last = tabs.length - 1;
      const to = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at === 0 ? last : at - 1, Home: 0, End: last }[event.key];
      if (at < 0 || to === undefined) return;
      event.preventDefault();
      tabs[to].focus();
      select(tabs[to]);
    });
  }
  return { dark, onTheme, onShown };
})();
