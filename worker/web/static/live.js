// Renews the content of an open page when the server sends a newer one (worker/web/live.py). The page is complete without
// this script. While somebody fills in a form of the page, nothing is replaced: a line says that there is something new.
(() => {
  "use strict";
  // What became of a form is said once: not after going back, and not to whoever gets the address.
  const here = new URL(location.href);
  for (const part of ["said", "about", "done", "place"]) here.searchParams.delete(part);
  if (here.href !== location.href) history.replaceState(history.state, "", here);
  const address = document.body.dataset.live;
  if (!address || !window.EventSource) return;
  const strip = document.getElementById("newer");
  const RETRY_MS = 20000; // how long to wait after the server has refused, before it is asked again
  let source = null;
  let retry = 0;
  let seen = new URL(address, location.href).searchParams.get("seen");
  let waiting = null; // the newest content, while a form is being filled in

  const main = () => document.getElementById("main");

  function isChanged(field) {
    if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
    if (field.tagName !== "SELECT") return field.type !== "hidden" && field.value !== field.defaultValue;
    const options = [...field.options];
    const usual = options.some((option) => option.defaultSelected);
    return options.some((option, at) => option.selected !== (usual ? option.defaultSelected : at === 0));
  }

  function isBusy() {
    const fields = [...main().querySelectorAll("input, textarea, select")];
    const selection = getSelection();
    const marks = selection && !selection.isCollapsed && main().contains(selection.anchorNode);
    return fields.some(isChanged) || Boolean(marks);
  }

  // What names an element of the content, so that it is found again in the newer one.
  function nameOf(element) {
    if (element.id) return `#${CSS.escape(element.id)}`;
    const alike = [...main().querySelectorAll(element.tagName)];
    const text = element.textContent.trim();
    const same = alike.filter((other) => other.textContent.trim() === text);
    return { tag: element.tagName, text, at: same.indexOf(element) };
  }

  function find(name) {
    if (typeof name === "string") return main().querySelector(name);
    return [...main().querySelectorAll(name.tag)].filter((one) => one.textContent.trim() === name.text)[name.at];
  }

  function show(html) {
    const parsed = new DOMParser().parseFromString(html, "text/html").getElementById("main");
    if (!parsed) return;
    const focused = main().contains(document.activeElement) ? nameOf(document.activeElement) : null;
    const opened = [...main().querySelectorAll("details")].map((one) => [nameOf(one.querySelector("summary")), one.open]);
    const places = [...main().querySelectorAll(".scroll")].map((one) => one.scrollLeft);
    main().replaceChildren(...document.adoptNode(parsed).childNodes);
    for (const [name, isOpen] of opened) {
      const summary = find(name);
      if (summary) summary.parentElement.open = isOpen;
    }
    [...main().querySelectorAll(".scroll")].forEach((one, at) => { one.scrollLeft = places[at] || 0; });
    const element = focused && find(focused);
    if (element) element.focus({ preventScroll: true });
    waiting = null;
    strip.hidden = true;
  }

  function take(event) {
    seen = event.lastEventId;
    if (isBusy()) {
      waiting = event.data;
      strip.hidden = false;
    } else {
      show(event.data);
    }
  }

  function open() {
    clearTimeout(retry);
    if (source || document.hidden) return;
    const from = new URL(address, location.href);
    from.searchParams.set("seen", seen);
    source = new EventSource(from);
    source.addEventListener("page", take);
    source.addEventListener("over", close); // the page is no more, or not one that this person may see
    source.onerror = () => {
      // A connection that breaks off is opened again by the browser, but not one that was refused.
      if (source && source.readyState === EventSource.CLOSED) {
        close();
        retry = setTimeout(open, RETRY_MS);
      }
    };
  }

  function close() {
    if (source) source.close();
    source = null;
  }

  strip.querySelector("button").addEventListener("click", () => { if (waiting) show(waiting); });
  // A browser has few connections to a server, so a page that nobody looks at has none.
  document.addEventListener("visibilitychange", () => (document.hidden ? (clearTimeout(retry), close()) : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  open();
})();
