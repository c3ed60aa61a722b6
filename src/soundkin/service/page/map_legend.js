// The legend: what each colour means and how many tracks have it. A group that is pressed makes the others
// step back, so that nobody has to tell colours apart.
import { element } from "./dom.js";

const STOPS = [1, 2, 3, 4, 5];

/** Rows for what `readColumn` gives; `choose` is called with the group that is pressed, or null. */
export function legendOf(name, column, choose) {
  const list = element("ul", { class: "map-legend", "aria-label": `Colours: ${name || "none"}` });
  list.append(...(column.groups ? groupRows(list, column.groups, choose) : rangeRows(column)));
  return list;
}

function groupRows(list, groups, choose) {
  return groups.map(({ name, count, colour }, group) => {
    const swatch = element("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = `var(${colour})`;
    const press = () => {
      const isOn = button.getAttribute("aria-pressed") === "true";
      for (const other of list.querySelectorAll("button")) other.setAttribute("aria-pressed", "false");
      button.setAttribute("aria-pressed", String(!isOn));
      choose(isOn ? null : group);
    };
    const told = [element("bdi", {}, name), element("span", { class: "quiet" }, count.toLocaleString())];
    const button = element(
      "button",
      { type: "button", "aria-pressed": "false", click: press },
      swatch,
      ...told,
    );
    return element("li", {}, button);
  });
}

function rangeRows({ range, unknown }) {
  const [least, middle, most] = range.map((value) => told(value, range[2] - range[0]));
  const bar = element("span", { class: "bar", "aria-hidden": "true" });
  const stops = STOPS.map((stop) => `var(--range-${stop})`).join(", ");
  bar.style.background = `linear-gradient(to right, ${stops})`;
  const ends = element(
    "span",
    { class: "ends" },
    ...[least, middle, most].map((text) => element("span", {}, text)),
  );
  const rows = [element("li", { class: "range" }, bar, ends)];
  if (unknown) {
    const swatch = element("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = "var(--group-rest)";
    rows.push(
      element(
        "li",
        { class: "none" },
        swatch,
        "not known ",
        element("span", { class: "quiet" }, unknown.toLocaleString()),
      ),
    );
  }
  return rows;
}

/** A number with as many digits as its range needs; years without a separator. */
function told(value, width) {
  const digits = Math.min(Math.max(1 - Math.floor(Math.log10(width || 1)), 0), 6);
  return digits
    ? value.toLocaleString(undefined, { maximumFractionDigits: digits })
    : String(Math.round(value));
}
