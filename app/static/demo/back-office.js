// The pretend Shopify admin around the app's frame: gives it session tokens, and draws what the frame's script asks for.
(() => {
  "use strict";
  const frame = document.getElementById("app");
  const { app, token } = document.body.dataset;
  const [menu, save, bar, toast] = ["menu", "save", "bar", "toast"].map((id) => document.getElementById(id));
  const tell = (message) => frame.contentWindow.postMessage({ admin: message }, app);
  let hiding = 0;

  const said = {
    ask: () => fetch(token).then((answer) => answer.json()).then((given) => tell({ token: given.token })),
    loading: (isLoading) => { bar.hidden = !isLoading; },
    unsaved: (isUnsaved) => { save.hidden = !isUnsaved; },
    toast: (text) => {
      toast.textContent = text;
      toast.hidden = false;
      clearTimeout(hiding);
      hiding = setTimeout(() => { toast.hidden = true; }, 6000);
    },
    menu: (links) => menu.replaceChildren(...links.map(([href, text]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = text;
      button.addEventListener("click", () => tell({ href }));
      return button;
    })),
    title: () => {},
  };

  addEventListener("message", (event) => {
    if (!frame || event.origin !== app || event.source !== frame.contentWindow || !event.data?.bridge) return;
    for (const [name, value] of Object.entries(event.data.bridge)) said[name]?.(value);
  });
  if (frame) frame.src = frame.dataset.src; // only now is somebody listening to what it says
  for (const button of save.querySelectorAll("button")) button.addEventListener("click", () => tell({ act: button.dataset.act }));
})();
