// Makes the pages smoother. Everything essential works without it: forms post, links go places.
"use strict";

const TYPING = "input, select, textarea, [contenteditable]";

const follow = (selector) => document.querySelector(selector)?.click();
const focusOn = (selector) => {
  const field = document.querySelector(selector);
  field?.focus();
  field?.select?.();
};
const open = (id) => {
  const dialog = document.getElementById(id);
  if (dialog && !dialog.open) dialog.showModal();
};

const KEYS = {
  n: () => {
    const home = document.querySelector("a.brand");
    if (document.getElementById("amount")) focusOn("#amount");
    else if (home) location.assign(`${home.getAttribute("href")}#amount`);
  },
  "/": () => focusOn("#search"),
  t: () => follow("[data-key=today]"),
  u: () => follow("#notice [data-key=undo]"),
  ArrowLeft: () => follow("a[rel=prev]"),
  ArrowRight: () => follow("a[rel=next]"),
  "?": () => open("shortcuts"),
};

// Single keys can be turned off: they get in the way of speech input (WCAG 2.1.4).
const OFF = "single-keys-off";
const singleKeys = document.getElementById("single-keys");
if (singleKeys) {
  singleKeys.checked = !localStorage.getItem(OFF);
  singleKeys.addEventListener("change", () => {
    if (singleKeys.checked) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, "1");
  });
}

document.addEventListener("keydown", (event) => {
  if (!singleKeys?.checked) return;
  const busy = event.target.closest(TYPING) || document.querySelector("dialog[open]");
  if (busy || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const action = KEYS[event.key];
  if (action) {
    event.preventDefault();
    action();
  }
});

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) open(opener.dataset.opens);
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target) || opener) menu.open = false;
  }
});

for (const button of document.querySelectorAll("[data-opens][hidden]")) button.hidden = false;

// After a swap: on with the next expense, or to the first field that is wrong.
document.addEventListener("htmx:afterSettle", (event) => {
  const wrong = document.querySelector("#add [aria-invalid]");
  const form = event.detail.requestConfig?.elt;
  if (wrong) wrong.focus();
  else if (form?.id === "add") focusOn("#amount");
  else if (form?.dataset.after) focusOn(form.dataset.after);
});

// What the server could not do is said where the eye is; what was typed stays in the form.
const complain = (event) => {
  const status = event.detail.xhr?.status;
  const notice = document.getElementById("notice");
  const text = document.createElement("p");
  text.className = "toast bad";
  text.textContent = status
    ? `That did not work (the server answered ${status}). Nothing was changed; reload the page and try again.`
    : "The server cannot be reached. What you typed is still here; try again in a moment.";
  notice.replaceChildren(text);
};
document.addEventListener("htmx:responseError", complain);
document.addEventListener("htmx:sendError", complain);

// What is worth copying can be selected by hand; the button is there where the browser can do it.
for (const button of document.querySelectorAll("[data-copies]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).value);
    button.querySelector("span").textContent = "Copied";
  });
}
