// Inside wp-admin: puts the plugin's token on every fetch to our own origin, and asks the plugin's page for a fresh one in time.
// Nothing is believed that does not come from the window around us and from the origin that the server verified.
(() => {
  "use strict";
  const PARAMETER = "wordpress_token";
  const PATIENCE = 15000; // milliseconds for the plugin's page to answer
  const SPARE = 10; // seconds before its end in which a token is not used any more
  const home = document.querySelector("meta[name=cartwheel-back-office]").content;
  const waiting = new Map();
  let held = null;
  let asking = null;
  let number = 0;

  // Counted from now, by this machine's own passing of time: its clock may be any.
  const hold = (token) => {
    const { iat, exp } = JSON.parse(atob(token.split(".")[0].replaceAll("-", "+").replaceAll("_", "/")));
    held = { token, until: performance.now() + (exp - iat - SPARE) * 1000 };
    return token;
  };

  addEventListener("message", (event) => {
    if (event.origin !== home || event.source !== window.parent || event.data?.type !== "cartwheel:token") return;
    const settle = waiting.get(event.data.id);
    waiting.delete(event.data.id);
    settle?.(event.data.token);
  });

  const ask = () => new Promise((resolve, reject) => {
    const id = ++number;
    const late = setTimeout(() => { waiting.delete(id); reject(new Error("wp-admin does not answer")); }, PATIENCE);
    waiting.set(id, (token) => {
      clearTimeout(late);
      if (typeof token === "string") resolve(hold(token));
      else reject(new Error("wp-admin gave no token"));
    });
    window.parent.postMessage({ type: "cartwheel:token-wanted", id }, home);
  });

  const fresh = () => {
    if (held && performance.now() < held.until) return Promise.resolve(held.token);
    asking ??= ask().finally(() => { asking = null; });
    return asking;
  };

  const plain = window.fetch.bind(window);
  window.fetch = async (input, options = {}) => {
    const url = new URL(input instanceof Request ? input.url : input, location.href);
    if (url.origin !== location.origin) return plain(input, options);
    const send = async () => {
      const headers = new Headers(options.headers);
      headers.set("Authorization", `Bearer ${await fresh()}`);
      return plain(input, { ...options, headers });
    };
    const answer = await send();
    if (answer.status !== 401 || !answer.headers.get("X-Shopify-Retry-Invalid-Session-Request")) return answer;
    held = null;
    return send();
  };

  // The token of the first load does not stay in the address, where a copied link would hold it.
  const here = new URL(location.href);
  const first = here.searchParams.get(PARAMETER);
  if (first) {
    here.searchParams.delete(PARAMETER);
    here.searchParams.set("embedded", "wordpress"); // as every other address in the frame says it, for a reload
    here.searchParams.set("back_office", home);
    history.replaceState(history.state, "", here);
    hold(first);
  }

  const { again } = document.documentElement.dataset;
  if (again) {
    const target = new URL(again, location.origin);
    fresh().then((token) => { target.searchParams.set(PARAMETER, token); location.replace(target); }, () => {});
  }
})();
