// Keys of the whole page. Those that move the cursor work while the canvas has the focus.

export const TOOLS = [
  { name: "polygon", title: "Polygon", key: "P", help: "click corners; C, a double click or the first corner closes" },
  { name: "brush", title: "Brush", key: "B", help: "drag, or Enter at the cursor" },
  { name: "eraser", title: "Eraser", key: "E", help: "drag, or Enter at the cursor" },
  { name: "fill", title: "Fill group", key: "F", help: "one click labels all that hangs together" },
  { name: "move", title: "Move", key: "M", help: "drag the scan; the middle button always does" },
];

export const HELP = [
  ["0 to 9", "choose the class; with Shift 10 to 19"],
  ["P B E F M", "polygon, brush, eraser, fill group, move"],
  ["[ and ]", "smaller or larger brush; coarser or finer groups"],
  ["+ − Home", "zoom in, out, whole scan (also the wheel)"],
  ["Arrows", "move the cursor on the canvas; with Shift by 8 pixels"],
  ["Enter, Space", "use the tool at the cursor: corner, dab, fill"],
  ["C, Escape, Backspace", "close the polygon, give it up, take back a corner"],
  ["Ctrl+Z, Ctrl+Y", "undo, redo (also U and Y)"],
  [", and .", "weaker or stronger labels; H hides them while held"],
  ["G", "show the outlines of the groups"],
  ["N", "name a new class"],
  ["L, Ctrl+S", "learn, save the exemplar"],
  ["?", "this list"],
];

const PLAIN = {
  p: ["tool", "polygon"],
  b: ["tool", "brush"],
  e: ["tool", "eraser"],
  f: ["tool", "fill"],
  m: ["tool", "move"],
  "[": ["resize", -1],
  "]": ["resize", 1],
  "+": ["zoom", 1.25],
  "=": ["zoom", 1.25],
  "-": ["zoom", 0.8],
  Home: ["fit"],
  c: ["close"],
  Escape: ["giveUp"],
  Backspace: ["takeBack"],
  u: ["undo"],
  y: ["redo"],
  ",": ["fade", -0.1],
  ".": ["fade", 0.1],
  h: ["hide", true],
  g: ["toggleGroups"],
  n: ["nameClass"],
  l: ["learn"],
  "?": ["help"],
};

const WITH_CONTROL = { z: ["undo"], y: ["redo"], s: ["save"] };

const ON_CANVAS = {
  ArrowLeft: ["step", -1, 0],
  ArrowRight: ["step", 1, 0],
  ArrowUp: ["step", 0, -1],
  ArrowDown: ["step", 0, 1],
  Enter: ["use"],
  " ": ["use"],
};

/** Return what a key asks for, as [name, ...arguments], or null. */
export function actionOf(event, onCanvas) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const typed = event.getModifierState?.("AltGraph"); // How some keyboards write [ and ].
  if ((event.ctrlKey || event.metaKey) && !typed) {
    if (key === "z" && event.shiftKey) return ["redo"];
    return WITH_CONTROL[key] || null;
  }
  if (event.altKey && !typed) return null;
  const digit = /^(?:Digit|Numpad)([0-9])$/.exec(event.code || "");
  if (digit) return ["pick", Number(digit[1]) + (event.shiftKey ? 10 : 0)];
  if (onCanvas && ON_CANVAS[key]) {
    const [name, ...moves] = ON_CANVAS[key];
    return [name, ...moves.map((move) => move * (event.shiftKey ? 8 : 1))];
  }
  return PLAIN[key] || null;
}

/** Tell whether a key belongs to the field that has the focus. */
export function isTyping(event) {
  const field = event.target;
  if (field.tagName === "TEXTAREA" || field.isContentEditable) return true;
  return field.tagName === "INPUT" && !["radio", "checkbox", "range"].includes(field.type);
}
