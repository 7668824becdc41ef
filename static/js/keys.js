// Keys for those who know the place: the sheet behind "?" lists them. Off where somebody writes, and at anybody's wish.
"use strict";

(() => {
  const sheet = document.getElementById("keys");
  if (!sheet) return;
  const on = sheet.querySelector("#keys-on");
  const opener = document.getElementById("keys-open");
  let prefix = 0;

  const off = () => { try { return localStorage.getItem("keys") === "off"; } catch { return false; } };
  const follow = (selector) => { const link = document.querySelector(selector); if (link) link.click(); return Boolean(link); };
  const search = () => {
    const find = document.getElementById("find");
    find.focus();
    find.select();
    return true;
  };
  const acts = {
    "/": search,
    "?": () => { sheet.showModal(); return true; },
    n: () => follow(".pages a[rel=next]"),
    p: () => follow(".pages a[rel=prev]"),
    u: () => follow(".crumbs a:last-of-type"),
  };

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || sheet.open || off()) return;
    if (event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]")) return;
    // The second key of "g r" has two seconds.
    const went = prefix && event.timeStamp - prefix < 2000;
    prefix = 0;
    if (went) {
      if (/^[a-z]$/.test(event.key) && follow(`.top a[data-go="${event.key}"]`)) event.preventDefault();
    } else if (event.key === "g") {
      prefix = event.timeStamp;
    } else if (Object.hasOwn(acts, event.key) && acts[event.key]()) {
      event.preventDefault();
    }
  });

  on.checked = !off();
  on.addEventListener("change", () => { localStorage.setItem("keys", on.checked ? "on" : "off"); });
  opener.hidden = false;
  opener.addEventListener("click", () => sheet.showModal());
})();
