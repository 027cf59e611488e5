// Hands fresh tokens to the Cartwheel that is framed in this page, and to nobody else.
(() => {
  "use strict";
  const { ajaxUrl, nonce, origin } = window.cartwheelAdmin;
  const frame = document.getElementById("cartwheel-frame");
  const trouble = document.getElementById("cartwheel-trouble");
  if (!frame || !origin) return;

  const mint = async () => {
    const body = new URLSearchParams({ action: "cartwheel_token", nonce });
    const answer = await fetch(ajaxUrl, { method: "POST", body, credentials: "same-origin" });
    const { success, data } = answer.ok ? await answer.json() : {};
    if (!success) throw new Error(`no token (${answer.status})`);
    return data.token;
  };

  addEventListener("message", async (event) => {
    if (event.origin !== origin || event.source !== frame.contentWindow) return;
    if (event.data?.type !== "cartwheel:token-wanted") return;
    const answer = { type: "cartwheel:token", id: event.data.id };
    try {
      answer.token = await mint();
      trouble.hidden = true;
    } catch {
      answer.token = null;
      trouble.hidden = false;
    }
    frame.contentWindow.postMessage(answer, origin);
  });
})();
