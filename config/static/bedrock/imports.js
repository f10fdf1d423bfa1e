// What the pages of imports do beyond plain forms: a file may be dropped anywhere, and a form that takes its time says so.
addEventListener("DOMContentLoaded", () => {
  "use strict";
  const zone = document.querySelector("[data-drop]");
  const input = zone?.querySelector("input[type=file]");

  const size = (bytes) => (bytes < 1024 * 1024 ? `${Math.ceil(bytes / 1024)} KB` : `${(bytes / 1024 / 1024).toFixed(1)} MB`);
  const show = () => {
    const chosen = zone.querySelector("[data-chosen]");
    const file = input.files[0];
    chosen.hidden = !file;
    if (!file) return;
    const most = Number(input.dataset.most);
    const problem = file.size > most ? `It is larger than ${most / 1024 / 1024} MB: split it.` : "";
    input.setCustomValidity(problem);
    chosen.textContent = `${file.name}, ${size(file.size)}. ${problem}`;
  };

  if (input) {
    input.hasChangeListener = true; // else Unfold writes the name of the file into a field of text, as for its own widget
    zone.classList.add("lively");
    input.addEventListener("change", show);
    show(); // a browser keeps the choice when one comes back
    let over = 0;
    const carries = (event) => [...event.dataTransfer.types].includes("Files");
    document.addEventListener("dragenter", (event) => {
      if (!carries(event)) return;
      over += 1;
      zone.classList.add("over");
    });
    document.addEventListener("dragleave", (event) => {
      if (!carries(event)) return;
      over -= 1;
      if (!over) zone.classList.remove("over");
    });
    document.addEventListener("dragover", (event) => {
      if (carries(event)) event.preventDefault();
    });
    document.addEventListener("drop", (event) => {
      if (!carries(event)) return;
      event.preventDefault();
      over = 0;
      zone.classList.remove("over");
      input.files = event.dataTransfer.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    });
  }

  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (!button?.dataset.busy || button.disabled) return;
    const before = button.innerHTML;
    setTimeout(() => {
      button.disabled = true;
      button.textContent = button.dataset.busy;
    });
    addEventListener("pageshow", () => {
      button.disabled = false;
      button.innerHTML = before;
    }, { once: true });
  });

  // whoever names another instrument means it
  document.querySelectorAll(".question input[type=text]").forEach((text) => {
    text.addEventListener("input", () => {
      text.closest("label").querySelector("input[type=radio]").checked = true;
    });
  });
});
