// Buttons that only a script can make work, and that are hidden without it: show a password, copy a key.
for (const button of document.querySelectorAll("button[data-shows], button[data-copies]")) button.hidden = false;

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-shows], button[data-copies]");
  if (!button) return;
  const field = document.getElementById(button.dataset.shows ?? button.dataset.copies);
  if (button.dataset.shows) {
    const shown = field.type === "text";
    field.type = shown ? "password" : "text";
    button.setAttribute("aria-pressed", String(!shown));
    return;
  }
  field.select();
  await navigator.clipboard.writeText(field.value);
  button.textContent = button.dataset.copied;
});
