// The elements of the map: bar, ground with its two canvases, legend, and a line that says what is going on.
import { element, sentence } from "./dom.js";

export function makeParts(container) {
  const tool = (act, words, title, pressed = null) =>
    element(
      "button",
      {
        type: "button",
        "data-act": act,
        title,
        "aria-pressed": pressed,
        "aria-label": words === title ? null : title,
      },
      words,
    );
  const chooser = element("select");
  const bar = element(
    "div",
    { class: "map-bar" },
    element("label", {}, element("span", {}, "Colour by"), chooser),
    tool("path", "Path", "Path", "false"),
    tool("lasso", "Lasso", "Lasso", "false"),
    element("span", { class: "space" }),
    tool("out", "−", "Further away"),
    tool("in", "+", "Closer"),
    tool("whole", "All", "The whole map"),
  );
  const dots = element("canvas");
  const overlay = element("canvas");
  const name = element("div", { class: "map-name", hidden: true, "aria-hidden": "true" });
  const keys = element(
    "p",
    { class: "unseen", id: "map-keys" },
    "Arrow keys go from track to track, Enter plays one, " +
      "plus and minus zoom, 0 shows all, Escape goes back.",
  );
  const ground = element(
    "div",
    {
      class: "map-ground",
      tabindex: "0",
      role: "application",
      "aria-label": "Map",
      "aria-describedby": "map-keys",
    },
    dots,
    overlay,
    name,
  );
  const said = element("p", { class: "map-said quiet", role: "status" });
  const note = element("div", { class: "map-note", role: "status", hidden: true });
  let legend = element("ul");
  const view = element("div", { class: "map-view" }, bar, ground, note, legend, keys, said);
  container.replaceChildren(view);
  return {
    view,
    ground,
    dots,
    overlay,
    name,
    chooser,
    said,
    tools: Object.fromEntries(
      [...bar.querySelectorAll("button")].map((button) => [button.dataset.act, button]),
    ),
    /** Instead of the map: what is wrong, and a button that tries again if there is a way to. */
    note(text, again = null) {
      for (const part of [bar, ground, legend]) part.classList.toggle("gone", Boolean(text));
      note.hidden = !text;
      const retry = again && element("button", { type: "button", click: again }, "Try again");
      note.replaceChildren(...[text && element("p", {}, sentence(text)), retry].filter(Boolean));
    },
    setLegend(next) {
      legend.replaceWith(next);
      legend = next;
    },
  };
}
