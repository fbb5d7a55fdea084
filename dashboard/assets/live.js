// Shows whether the stream is there, and reads the figures to a screen reader now and then. A part
// of the page is not replaced while the mouse is down or a text is selected in it: the click or the
// selection would get lost.
(function () {
  "use strict";
  var root = document.documentElement, spoken = 0, pressed = null, held = new Map();
  document.addEventListener("htmx:sseOpen", function () { root.removeAttribute("data-lost"); });
  document.addEventListener("htmx:sseError", function () { root.setAttribute("data-lost", ""); });
  document.addEventListener("htmx:sseMessage", function () {
    var summary = document.querySelector("[data-summary]"), status = document.getElementById("status");
    var now = Date.now();
    if (!summary || !status || now - spoken < 20000 || status.textContent === summary.textContent) return;
    status.textContent = summary.textContent;
    spoken = now;
  });

  function inUse(part) {
    var text = document.getSelection();
    return part.contains(pressed) || !text.isCollapsed && part.contains(text.anchorNode);
  }
  document.addEventListener("htmx:sseBeforeMessage", function (e) {
    held.delete(e.target);
    if (!inUse(e.target)) return;
    held.set(e.target, e.detail.data);
    e.preventDefault();
  });
  function release() {
    held.forEach(function (text, part) {
      if (inUse(part)) return;
      held.delete(part);
      htmx.swap(part, text, { swapStyle: "innerHTML" });
    });
  }
  function up() {
    setTimeout(function () { pressed = null; release(); }); // after the click
  }
  document.addEventListener("pointerdown", function (e) { pressed = e.target; }, true);
  document.addEventListener("pointerup", up, true);
  document.addEventListener("pointercancel", up, true);
  document.addEventListener("selectionchange", release);
})();
