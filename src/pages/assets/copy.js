// Adds a button to each value that is there to be copied.
//
// Without this script the values are fields that can be selected and copied by hand, so nothing is lost.
(() => {
  "use strict";

  const SHOWN_MS = 2500;

  for (const source of document.querySelectorAll("[data-copy]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet copy";
    button.textContent = source.dataset.copy;
    const label = source.labels[0];
    label.id ||= `${source.id}-label`;
    button.id = `${source.id}-copy`;
    button.setAttribute("aria-labelledby", `${button.id} ${label.id}`);
    const told = document.createElement("span");
    told.className = "visually-hidden";
    told.setAttribute("role", "status");
    button.addEventListener("click", async () => {
      source.select();
      try {
        await navigator.clipboard.writeText(source.value);
      } catch {
        return; // not allowed: the value is selected, ready for the keyboard
      }
      button.textContent = told.textContent = source.dataset.copied;
      setTimeout(() => {
        button.textContent = source.dataset.copy;
        told.textContent = "";
      }, SHOWN_MS);
    });
    source.after(button, told);
  }
})();
