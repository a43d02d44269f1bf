// Filters over the claims, and links that open what they point at.  Without this script the page
// shows everything.
"use strict";

const form = document.querySelector("form.filters");
const said = form.querySelector("output");
const claims = [...document.querySelectorAll("tbody.claim")].map((element) => ({
  element,
  group: element.closest(".group"),
  system: element.closest(".system"),
  tier: element.dataset.tier,
  text: element.textContent.toLowerCase(),
  rows: [...element.querySelectorAll("tr[data-state]")],
}));
const beside = [...document.querySelectorAll(".pictures, .lesions, .by-subject")];
const total = claims.reduce((sum, claim) => sum + claim.rows.length, 0);

function filter() {
  const asked = Object.fromEntries(new FormData(form));
  const words = asked.text.toLowerCase().split(/\s+/).filter(Boolean);
  const groups = new Set();
  const systems = new Set();
  let shownClaims = 0;
  let shownRows = 0;
  for (const claim of claims) {
    const meant =
      (!asked.system || claim.system.dataset.system === asked.system) &&
      (!asked.tier || claim.tier === asked.tier) &&
      words.every((word) => claim.text.includes(word));
    let matching = 0;
    for (const row of claim.rows) {
      const fits =
        (!asked.state || row.dataset.state === asked.state) &&
        (!asked.kind || row.dataset.kind === asked.kind);
      row.hidden = !fits;
      matching += fits;
    }
    const shown = meant && matching > 0;
    claim.element.hidden = !shown;
    if (shown) {
      shownClaims += 1;
      shownRows += matching;
      groups.add(claim.group);
      systems.add(claim.system);
    }
  }
  for (const claim of claims) {
    claim.group.hidden = !groups.has(claim.group);
    claim.system.hidden = !systems.has(claim.system);
  }
  // What is asked of claims says nothing of pictures and tables: they step aside.
  const narrowed = Boolean(words.length || asked.state || asked.kind || asked.tier);
  for (const section of beside) section.hidden = narrowed;
  said.value = `${shownClaims} of ${claims.length} claims,\n${shownRows} of ${total} rows`;
}

// A link to a claim shows it, whatever the filters say, with its details open.
function follow() {
  const target = document.querySelector(":target");
  if (!target) return;
  if (target.closest("[hidden]")) {
    form.reset();
    filter();
  }
  if (target.matches("tbody.claim")) target.querySelector("details").open = true;
  target.scrollIntoView();
}

form.addEventListener("input", filter);
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => setTimeout(filter));
const all = form.querySelector("button.all");
all.addEventListener("click", () => {
  const open = all.textContent === "Open all";
  for (const claim of claims) {
    if (!claim.element.hidden) claim.element.querySelector("details").open = open;
  }
  all.textContent = open ? "Close all" : "Open all";
});
addEventListener("hashchange", follow);

form.hidden = false;
filter();
if (location.hash) follow();
