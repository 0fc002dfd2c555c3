// A bar on top while the server cannot be reached. What was typed stays where it is.
const bar = () => document.getElementById("z-connection");
const show = (on) => bar()?.toggleAttribute("hidden", !on);

window.addEventListener("offline", () => show(true));
window.addEventListener("online", () => show(false));
document.addEventListener("htmx:error", () => show(true));
document.addEventListener("htmx:after:request", () => show(false));

// After a swap focus stays, or goes to the element the server names; never to the body.
document.addEventListener("htmx:after:swap", () => {
  const wanted = document.querySelector("[data-focus]");
  if (wanted) {
    wanted.removeAttribute("data-focus");
    wanted.focus();
  }
});
window.addEventListener("DOMContentLoaded", () => document.querySelector("[data-focus]")?.focus());
