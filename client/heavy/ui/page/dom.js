// dom.js - makes elements. Text is always text: nothing here reads HTML.

// h("a", {href: "#/x", class: "soft"}, "text", element, [more], null)
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.flat(9).filter((child) => child !== null && child !== undefined));
  return element;
}

// A table that scrolls by itself where it is too wide. A column named with a "#" in front holds numbers.
export function table(caption, columns, rows) {
  return h("div", {class: "scroll", tabindex: 0, role: "region", "aria-label": caption},
    h("table", {}, h("caption", {}, caption),
      h("thead", {}, h("tr", {}, columns.map((column) =>
        h("th", {scope: "col", class: column.startsWith("#") ? "number" : null}, column.replace(/^#/, ""))))),
      h("tbody", {}, rows)));
}

// A title, then what belongs to it; the title takes the focus, so that a screen reader says it.
export function show(title, ...children) {
  document.title = `${title} - memferry`;
  const heading = h("h1", {tabindex: -1}, title);
  document.getElementById("main").replaceChildren(heading, ...children.flat(9).filter(Boolean));
  return heading;
}

export function facts(pairs) {
  return h("dl", {}, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}
