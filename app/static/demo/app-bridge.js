// A stand-in for Shopify's App Bridge, for the demo and the tests: it asks the pretend admin around this frame for session
// tokens, puts one on every fetch to our own origin, tries once more when a stale one was refused, and reloads bounced pages.
(() => {
  "use strict";
  const RELOAD = "shopify-reload";
  const waiting = [];
  const tell = (message) => parent.postMessage({ bridge: message }, "*");
  const idToken = () => new Promise((resolve) => { waiting.push(resolve); tell({ ask: "token" }); });

  addEventListener("message", (event) => {
    if (event.source !== parent || !event.data?.admin) return;
    const { token, act, href } = event.data.admin;
    if (token) { for (const resolve of waiting.splice(0)) resolve(token); }
    const form = document.querySelector("[data-save-bar]");
    if (act === "save") form?.requestSubmit();
    if (act === "discard") { form?.reset(); tell({ unsaved: false }); }
    if (href) {
      const link = [...document.querySelectorAll("s-app-nav a")].find((each) => each.getAttribute("href") === href);
      const asked = new CustomEvent("shopify:navigate", { bubbles: true, cancelable: true });
      if (!link || link.dispatchEvent(asked)) location.href = href;
    }
  });

  const plain = window.fetch.bind(window);
  window.fetch = async (input, options = {}) => {
    const url = new URL(input instanceof Request ? input.url : input, location.href);
    if (url.origin !== location.origin) return plain(input, options);
    const send = async () => {
      const headers = new Headers(options.headers);
      headers.set("Authorization", `Bearer ${await idToken()}`);
      return plain(input, { ...options, headers });
    };
    const answer = await send();
    return answer.status === 401 && answer.headers.get("X-Shopify-Retry-Invalid-Session-Request") ? send() : answer;
  };

  window.shopify = {
    idToken,
    toast: { show: (text) => tell({ toast: String(text) }) },
    loading: (isLoading) => tell({ loading: Boolean(isLoading) }),
  };

  const again = new URLSearchParams(location.search).get(RELOAD);
  if (again) idToken().then((token) => location.replace(`${again}${again.includes("?") ? "&" : "?"}id_token=${token}`));

  // What the real one reads off the page: the menu, the title, and forms that were changed.
  let menu = "";
  const look = () => {
    const links = [...document.querySelectorAll("s-app-nav a:not([rel=home])")];
    const now = JSON.stringify(links.map((link) => [link.getAttribute("href"), link.textContent]));
    if (now !== menu) tell({ menu: JSON.parse(menu = now), title: document.title });
  };
  addEventListener("DOMContentLoaded", () => {
    if (again) return;
    look();
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
    tell({ unsaved: false });
  });
  document.addEventListener("input", (event) => { if (event.target.closest("[data-save-bar]")) tell({ unsaved: true }); });
  document.addEventListener("submit", (event) => { if (event.target.closest("[data-save-bar]")) tell({ unsaved: false }); });
})();
