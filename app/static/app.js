// What the pages need beyond HTML and htmx: toasts, the save bar, keys in the log. Nothing here is needed to do the work.
(() => {
  "use strict";
  const TOAST_SECONDS = 6;
  const WIDE = matchMedia("(min-width: 1181px)"); // below it the log and its panel stand under each other

  // One server event, HX-Trigger: {"toast": {"text": ...}}, for either host.
  document.addEventListener("toast", (event) => {
    const text = event.detail.text;
    if (window.shopify?.toast) { window.shopify.toast.show(text); return; }
    const toast = document.createElement("div");
    toast.className = "toast";
    toast.textContent = text;
    document.getElementById("toasts").replaceChildren(toast);
    setTimeout(() => toast.remove(), TOAST_SECONDS * 1000);
  });

  // An error changes nothing on the page (htmx-config); our server says it in a toast, anything before it does not.
  const sorry = (text) => document.dispatchEvent(new CustomEvent("toast", { detail: { text } }));
  document.addEventListener("htmx:error", () => sorry("The server did not answer. Nothing was changed; try again."));
  document.addEventListener("htmx:response:error", (event) => {
    const { headers, status } = event.detail.ctx.response;
    if (headers.get("HX-Trigger") || status === 422 || status === 409) return; // these explain themselves
    sorry("That did not work, and nothing was changed. Try again in a minute.");
  });

  // A form with changes shows the save bar; inside Shopify the host draws its own (data-save-bar).
  document.addEventListener("input", (event) => {
    if (!event.target.closest("[data-save-bar]")) return;
    document.getElementById("savebar")?.removeAttribute("hidden");
  });

  // After an answer the focus is where the page says (autofocus, which browsers heed in no frame of another origin); whoever
  // sent a refused form goes on at its first wrong field.
  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    const place = document.getElementById(ctx.target?.id) ?? document;
    const wrong = ctx.response?.status === 422 ? place.querySelector("[aria-invalid=true]") : null;
    (place.querySelector("[autofocus]") ?? wrong)?.focus();
  });

  // A mail is shown anew while its text is written. It is no submit of its form: that would save it, and Shopify's save bar
  // would take it for saved.
  let looking;
  const show = (form) => {
    const { action, target } = form, { formAction, formTarget } = form.querySelector("[formtarget]");
    Object.assign(form, { action: formAction, target: formTarget });
    form.submit();
    Object.assign(form, { action, target });
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-live] [formtarget]");
    if (!button) return;
    event.preventDefault();
    show(button.form);
  });
  document.addEventListener("input", (event) => {
    const form = event.target.closest("[data-live]");
    if (!form) return;
    clearTimeout(looking);
    looking = setTimeout(() => form.isConnected && show(form), 700);
  });

  // Copies a field; where the browser or a frame forbids that, its text is selected for the person to copy.
  document.addEventListener("click", async (event) => {
    const field = document.getElementById(event.target.closest("[data-copy]")?.dataset.copy);
    if (!field) return;
    field.select();
    try { await navigator.clipboard.writeText(field.value); } catch { return; }
    document.dispatchEvent(new CustomEvent("toast", { detail: { text: "Copied." } }));
  });

  // Filters apply as soon as one is chosen; the button is for those without scripts.
  const prepare = () => {
    for (const button of document.querySelectorAll("[data-auto-submit] [data-needless]")) button.hidden = true;
  };
  document.addEventListener("change", (event) => event.target.closest("[data-auto-submit]")?.requestSubmit());
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-auto-submit]")) return;
    for (const field of event.target.elements) if (field.name && !field.value) field.disabled = true; // no "?state=&topic="
  });
  addEventListener("pageshow", () => {
    for (const field of document.querySelectorAll("[data-auto-submit] :disabled")) field.disabled = false;
  });

  // Beside the log there is room for one webhook; where there is none, the link leads to its own page.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-panel]");
    if (!link || !WIDE.matches || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    for (const row of document.querySelectorAll(".log tr[aria-current]")) row.removeAttribute("aria-current");
    link.closest("tr").setAttribute("aria-current", "true");
    htmx.ajax("GET", link.href, { source: "#event", target: "#event", swap: "innerHTML" });
  });

  // J K move through the log, R replays, / goes to the filters.
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
    const links = [...document.querySelectorAll("[data-panel]")];
    if (!links.length) return;
    const row = document.activeElement.closest(".log tr");
    const at = links.findIndex((link) => row?.contains(link));
    const key = event.key.toLowerCase();
    if (key === "j") links[Math.min(at + 1, links.length - 1)].focus();
    else if (key === "k") links[Math.max(at - 1, 0)].focus();
    else if (key === "r") (row ?? document.querySelector(".log tr[aria-current]"))?.querySelector("[data-key=replay]")?.click();
    else if (key === "/") document.querySelector("[data-auto-submit] select")?.focus();
    else return;
    event.preventDefault();
  });

  // The menus close like menus: by Escape, and by a click elsewhere.
  const close = (except) => {
    for (const menu of document.querySelectorAll("details.menu[open], details.switcher[open]")) {
      if (!except || !menu.contains(except)) menu.open = false;
    }
  };
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = document.activeElement.closest("details[open]");
    close();
    menu?.querySelector("summary").focus();
  });
  document.addEventListener("click", (event) => close(event.target));

  // Inside Shopify, a click in its own menu; as with a link of ours, the page comes by fetch, which carries the token.
  document.addEventListener("shopify:navigate", (event) => {
    const href = event.target.getAttribute?.("href");
    if (!href) return;
    event.preventDefault();
    htmx.ajax("GET", href, { source: event.target, target: "body", push: "true" });
  });

  document.addEventListener("htmx:after:swap", prepare);
  prepare();
})();
