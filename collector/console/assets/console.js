// Brings the page up to date every few seconds. It waits while somebody uses what would be replaced, or nobody looks.
"use strict";
(() => {
  const every = 4000;
  const busy = () => {
    const main = document.getElementById("main");
    const chosen = document.getSelection();
    return document.hidden || main.contains(document.activeElement) || main.querySelector("details[open]") || (chosen && !chosen.isCollapsed);
  };
  const refresh = async () => {
    try {
      const main = document.getElementById("main");
      if (busy()) return;
      const answer = await fetch(main.dataset.reload, { credentials: "same-origin" });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("main");
      if (fresh && !busy()) main.replaceWith(document.adoptNode(fresh));
    } catch {
      // The collector is away for a moment; the page says of when it is.
    } finally {
      setTimeout(refresh, every);
    }
  };
  setTimeout(refresh, every);
})();
