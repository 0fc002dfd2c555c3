// What HTML alone cannot do: steppers beside a number, and a pay button that says it is paying.
document.addEventListener("click", (event) => {
  const step = event.target.closest?.("[data-step]");
  if (!step) return;
  const field = document.getElementById(step.getAttribute("aria-controls"));
  if (!field) return;
  const least = Number(field.min || 0);
  const most = Number(field.max || 999);
  const next = Math.min(most, Math.max(least, Number(field.value || 0) + Number(step.dataset.step)));
  if (next === Number(field.value)) return;
  field.value = String(next);
  field.dispatchEvent(new Event("change", { bubbles: true }));
});

document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (!button?.dataset.busy) return;
  button.textContent = button.dataset.busy;
  button.setAttribute("aria-busy", "true");
  setTimeout(() => {
    button.disabled = true;
  });
});

// A page taken from the browser's memory shows its button ready again.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) window.location.reload();
});

for (const field of document.querySelectorAll("select[data-goes]")) {
  field.addEventListener("change", () => field.form.requestSubmit());
}
document.documentElement.classList.add("has-script");
