// Tells the shop's own server the address and the box as soon as they are left: the classic checkout says nothing until
// every field is filled in, and the block checkout says the box late. Works on both, also where fields are drawn later.
(() => {
  "use strict";
  const { url, nonce } = window.cartwheelCapture ?? {};
  if (!url || !window.fetch) return;
  const QUIET = 600; // milliseconds without another change before it is told
  const EMAILS = "#billing_email, .wp-block-woocommerce-checkout #email";
  const BOXES = "#cartwheel_marketing_consent, .wp-block-woocommerce-checkout input[id$='cartwheel-marketing-consent']";
  const NAMES = { first_name: "#billing_first_name", last_name: "#billing_last_name" };
  let timer = 0;
  let told = "";

  const tell = () => {
    const email = document.querySelector(EMAILS);
    if (!email?.value || !email.checkValidity()) return;
    const said = new URLSearchParams({ email: email.value.trim(), source: email.id === "email" ? "block" : "classic" });
    for (const [name, where] of Object.entries(NAMES)) {
      const value = document.querySelector(where)?.value.trim();
      if (value) said.set(name, value);
    }
    const box = document.querySelector(BOXES);
    if (box) said.set("consent", box.checked ? "1" : "0");
    if (said.toString() === told) return;
    told = said.toString();
    said.set("nonce", nonce);
    fetch(url, { method: "POST", body: said, credentials: "same-origin", keepalive: true }).catch(() => { told = ""; });
  };

  const isOurs = (field) => field.matches?.([EMAILS, BOXES, ...Object.values(NAMES)].join(", "));
  const soon = (event) => {
    if (!isOurs(event.target)) return;
    clearTimeout(timer);
    timer = setTimeout(tell, QUIET);
  };
  document.addEventListener("change", soon);
  document.addEventListener("focusout", soon);
  addEventListener("pagehide", () => { if (timer) tell(); });
})();
