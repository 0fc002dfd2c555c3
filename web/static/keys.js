// Keys: "/" search, "g" then a letter goes to a page, Ctrl+Enter submits. Off in fields and while composing.
const GO = { t: "today", r: "rules", p: "processes", o: "orders", m: "money", a: "approvals" };
let waiting = 0;

document.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    const form = event.target.closest?.("form");
    if (form) {
      event.preventDefault();
      form.requestSubmit();
    }
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest?.("input, textarea, select, [contenteditable], dialog[open]")) return;
  if (event.key === "/") {
    const search = document.getElementById("z-search");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  } else if (event.key === "g") {
    waiting = Date.now();
  } else if (GO[event.key] && Date.now() - waiting < 1200) {
    waiting = 0;
    document.querySelector(`[data-go="${GO[event.key]}"]`)?.click();
  }
});

// What was copied is said aloud by the button's own label.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.classList.add("z-copied");
  setTimeout(() => button.classList.remove("z-copied"), 1500);
});

// A choice that stands for itself (filters, preferences) is sent at once; without script its button does it.
document.addEventListener("change", (event) => {
  const field = event.target.closest("[data-submit-on-change]");
  if (field) field.form.requestSubmit();
});
