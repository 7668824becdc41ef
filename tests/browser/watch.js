// Sits in each page of the test: what the policy stops, where the focus went, and whether one could see it there.
(() => {
  addEventListener("securitypolicyviolation", (broken) => console.error("policy", broken.violatedDirective));
  const reached = new Set();
  const words = (one) => one.outerHTML.slice(0, 150);
  const ringed = (one) => {
    const style = getComputedStyle(one);
    if (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2) return true;
    // In a drawing the shape itself gets a thicker line.
    const shapes = one.closest("svg") ? [...one.querySelectorAll("polygon, rect, path, text")] : [];
    return shapes.some((shape) => parseFloat(getComputedStyle(shape).strokeWidth) >= 2);
  };
  const kinds = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
  globalThis.unseen = [];
  globalThis.stops = () => [...document.querySelectorAll(kinds)]
    .filter((one) => !one.disabled && one.tabIndex >= 0 && one.checkVisibility({ visibilityProperty: true }));
  globalThis.missed = () => stops().filter((one) => !reached.has(one)).map(words);
  // Names as far as a page gives them by itself; axe knows the rest of the rules.
  const called = (one) => [
    one.getAttribute("aria-label"),
    ...(one.getAttribute("aria-labelledby") ?? "").split(" ")
      .map((id) => id && document.getElementById(id)?.textContent),
    ...[...(one.labels ?? [])].map((label) => label.textContent),
    one.matches("input, select, textarea") ? "" : one.textContent,
    one.matches("input[type=submit], input[type=button]") ? one.value : "",
    one.querySelector("img[alt], svg title")?.getAttribute("alt") ?? one.querySelector("svg title")?.textContent,
    one.title,
  ].some((name) => name?.trim());
  globalThis.unnamed = () => [...reached]
    .filter((one) => one.isConnected && one.matches(kinds) && !called(one)).map(words);
  addEventListener("focusin", ({ target }) => {
    reached.add(target);
    if (!ringed(target)) unseen.push(words(target));
  });
})();
