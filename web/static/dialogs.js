// Confirmations are pages. With script, a link marked data-dialog shows its page's <main> in a modal <dialog>.
let opener = null;

const dialog = () => document.getElementById("z-dialog");

document.addEventListener("click", (event) => {
  const close = event.target.closest("[data-close-dialog]");
  if (close && dialog()?.open) {
    event.preventDefault();
    dialog().close();
  }
});

document.addEventListener("htmx:after:swap", () => {
  const box = dialog();
  if (!box || box.open || !box.querySelector("[data-dialog-content]")) return;
  opener = document.activeElement;
  box.showModal();
  box.querySelector("h1, h2")?.focus();
});

document.addEventListener("close", (event) => {
  if (event.target !== dialog()) return;
  event.target.replaceChildren();
  opener?.focus();
  opener = null;
}, true);

// Menus (<details class="z-menu">) close on Escape and on a click elsewhere.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const open = event.target.closest?.("details.z-menu[open]") ?? document.querySelector("details.z-menu[open]");
  if (open) {
    open.removeAttribute("open");
    open.querySelector("summary").focus();
  }
});
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.z-menu[open]")) {
    if (!menu.contains(event.target)) menu.removeAttribute("open");
  }
});
