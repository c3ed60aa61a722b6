// Elements, and what is said to people. Texts become text nodes and never markup.

export const find = (selector, within = document) => within.querySelector(selector);

/** An element; attributes that are functions listen, those that are false or null are left out. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value !== false && value !== null && value !== undefined)
      made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** One of the drawings in index.html. */
export function icon(name) {
  const [svg, use] = ["svg", "use"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** A button with a drawing; `words` is shown, or else only read out. */
export function button(act, words, { drawing = null, shown = false, ...attributes } = {}) {
  const text = shown ? element("span", {}, words) : element("span", { class: "unseen" }, words);
  return element(
    "button",
    { type: "button", "data-act": act, title: shown ? null : words, ...attributes },
    drawing && icon(drawing),
    text,
  );
}

/** A name in whatever script, apart from the direction of what is around it. */
export const named = (text) => element("bdi", {}, text);

export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds || 0));
  const [hours, minutes, rest] = [
    Math.floor(whole / 3600),
    Math.floor(whole / 60) % 60,
    String(whole % 60).padStart(2, "0"),
  ];
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

export const many = (count, one, several = `${one}s`) =>
  `${count.toLocaleString()} ${count === 1 ? one : several}`;

/** Said to screen readers once nothing newer has come for a moment. */
let later = 0;
export function announce(text) {
  clearTimeout(later);
  later = setTimeout(() => {
    find("#said").textContent = text;
  }, 150);
}

/** A line that comes up, and goes unless somebody is at it; `undo` takes back what it tells of. */
let hiding = 0;
export function notice(text, undo = null) {
  const box = find("#notice");
  const seconds = undo ? 12 : 5;
  const hide = () => {
    if (box.matches(":hover, :focus-within")) hiding = setTimeout(hide, 1000 * seconds);
    else box.hidden = true;
  };
  const back =
    undo &&
    element(
      "button",
      {
        type: "button",
        click: () => {
          box.hidden = true;
          undo();
          announce("Undone.");
        },
      },
      "Undo",
    );
  box.replaceChildren(...[element("span", {}, text), back].filter(Boolean));
  box.hidden = false;
  announce(text);
  clearTimeout(hiding);
  hiding = setTimeout(hide, 1000 * seconds);
}

/** An error, what to do, and a button that does it; null takes it away. */
export function showProblem(problem, again = null) {
  const box = find("#problem");
  box.hidden = !problem;
  if (!problem) return box.replaceChildren();
  const retry =
    again &&
    element(
      "button",
      {
        type: "button",
        click: () => {
          showProblem(null);
          again();
        },
      },
      "Try again",
    );
  box.replaceChildren(...[element("p", {}, sentence(problem.message)), retry].filter(Boolean));
}

export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);
