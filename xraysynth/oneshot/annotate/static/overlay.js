// Labels over a scan: colour, pattern, outline and number, so that none is needed alone.

import { regionsOf } from "./painting.js";

const PATTERNS = ["diagonal", "dots", "horizontal", "cross", "vertical", "back", "grid", "checker"];
const NAMES = ["stripes", "dots", "lines", "crosses", "bars", "back stripes", "grid", "checker"];
const TILE = 10;

/** Return the name of a class's pattern, for people. */
export function patternName(value) {
  return value === 0 ? "none" : NAMES[(value - 1) % NAMES.length];
}

function rgb(colour, alpha, shade = 1) {
  const [r, g, b] = colour.map((level) => Math.round(level * shade));
  return `rgba(${r}, ${g}, ${b}, ${alpha})`;
}

/** Return a tile of a class's pattern. */
export function patternTile(colour, value) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = TILE;
  const ink = tile.getContext("2d");
  ink.fillStyle = rgb(colour, 0.5);
  ink.fillRect(0, 0, TILE, TILE);
  ink.strokeStyle = ink.fillStyle = rgb(colour, 0.95, 0.6);
  ink.lineWidth = 1.6;
  const line = (x0, y0, x1, y1) => {
    ink.beginPath();
    ink.moveTo(x0, y0);
    ink.lineTo(x1, y1);
    ink.stroke();
  };
  const draw = {
    diagonal: () => [-TILE, 0, TILE].forEach((d) => line(d - 1, TILE + 1, d + TILE + 1, -1)),
    back: () => [-TILE, 0, TILE].forEach((d) => line(d - 1, -1, d + TILE + 1, TILE + 1)),
    horizontal: () => line(0, TILE / 2, TILE, TILE / 2),
    vertical: () => line(TILE / 2, 0, TILE / 2, TILE),
    cross: () => (line(2, 2, 8, 8), line(8, 2, 2, 8)),
    grid: () => (line(0, 5, TILE, 5), line(5, 0, 5, TILE)),
    checker: () => (ink.fillRect(0, 0, 5, 5), ink.fillRect(5, 5, 5, 5)),
    dots: () => (ink.beginPath(), ink.arc(5, 5, 2.2, 0, 7), ink.fill()),
  };
  draw[PATTERNS[(value - 1) % PATTERNS.length]]();
  return tile;
}

/** Return the mask of one class as a canvas of the scan's size. */
function maskOf(labels, width, height, value) {
  const mask = document.createElement("canvas");
  mask.width = width;
  mask.height = height;
  const ink = mask.getContext("2d");
  const pixels = ink.createImageData(width, height);
  for (let i = 0; i < labels.length; i++) if (labels[i] === value) pixels.data[4 * i + 3] = 255;
  ink.putImageData(pixels, 0, 0);
  return mask;
}

/** Return the edges between different values as a path in pixels of the scan. */
export function outlinePath(values, width, height, wanted) {
  const path = new Path2D();
  const is = (x, y) => x >= 0 && y >= 0 && x < width && y < height && wanted(values[y * width + x]);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!is(x, y)) continue;
      if (!is(x - 1, y)) (path.moveTo(x, y), path.lineTo(x, y + 1));
      if (!is(x + 1, y)) (path.moveTo(x + 1, y), path.lineTo(x + 1, y + 1));
      if (!is(x, y - 1)) (path.moveTo(x, y), path.lineTo(x + 1, y));
      if (!is(x, y + 1)) (path.moveTo(x, y + 1), path.lineTo(x + 1, y + 1));
    }
  }
  return path;
}

/** Stroke a path given in pixels of the scan, with lines of the same width at every zoom. */
export function strokePath(ink, view, path, styles) {
  const placed = new Path2D();
  placed.addPath(path, new DOMMatrix([view.scale, 0, 0, view.scale, view.x, view.y]));
  for (const [style, width, dash] of styles) {
    ink.strokeStyle = style;
    ink.lineWidth = width;
    ink.setLineDash(dash || []);
    ink.stroke(placed);
  }
  ink.setLineDash([]);
}

/** Draw all labels: `view` is {scale, x, y}, `opacity` 0 to 1 is of the pattern. */
export function drawLabels(ink, view, scan, labels, classes, opacity) {
  const { width, height } = scan;
  const scratch = document.createElement("canvas");
  scratch.width = ink.canvas.width;
  scratch.height = ink.canvas.height;
  const layer = scratch.getContext("2d");
  const present = new Set(labels);
  present.delete(0);
  for (const value of present) {
    if (!classes[value]) continue;
    const colour = classes[value].colour;
    layer.globalCompositeOperation = "source-over";
    layer.clearRect(0, 0, scratch.width, scratch.height);
    layer.imageSmoothingEnabled = false;
    const mask = maskOf(labels, width, height, value);
    layer.drawImage(mask, view.x, view.y, width * view.scale, height * view.scale);
    layer.globalCompositeOperation = "source-in";
    layer.fillStyle = layer.createPattern(patternTile(colour, value), "repeat");
    layer.fillRect(0, 0, scratch.width, scratch.height);
    ink.globalAlpha = opacity;
    ink.drawImage(scratch, 0, 0);
    ink.globalAlpha = 1;
    const path = outlinePath(labels, width, height, (v) => v === value);
    strokePath(ink, view, path, [
      ["rgba(255, 255, 255, 0.9)", 3.5],
      [rgb(colour, 1, 0.55), 1.75],
    ]);
  }
}

/** Write the number of its class on every region that is large enough. */
export function drawNumbers(ink, view, scan, labels, minimumPx, fontPx) {
  ink.font = `600 ${fontPx}px Roboto, sans-serif`;
  ink.textAlign = "center";
  ink.textBaseline = "middle";
  for (const { value, region } of regionsOf(labels, scan.width, scan.height)) {
    if (region.length < minimumPx) continue;
    const [x, y] = middleOf(region, scan.width).map((v, axis) => {
      return (v + 0.5) * view.scale + (axis ? view.y : view.x);
    });
    const half = fontPx * 0.72;
    ink.fillStyle = "rgba(255, 255, 255, 0.94)";
    ink.strokeStyle = "#1b2733";
    ink.lineWidth = 1.25;
    ink.beginPath();
    ink.roundRect(x - half, y - half, 2 * half, 2 * half, half * 0.5);
    ink.fill();
    ink.stroke();
    ink.fillStyle = "#1b2733";
    ink.fillText(String(value), x, y + 0.5);
  }
}

/** Return the pixel (x, y) of a region that is nearest to its centre of mass. */
function middleOf(region, width) {
  let [x, y] = [0, 0];
  for (const place of region) {
    x += place % width;
    y += Math.floor(place / width);
  }
  [x, y] = [x / region.length, y / region.length];
  let best = [0, 0];
  let distance = Infinity;
  for (const place of region) {
    const at = [place % width, Math.floor(place / width)];
    const d = Math.hypot(at[0] - x, at[1] - y);
    if (d < distance) [best, distance] = [at, d];
  }
  return best;
}

/** Load a picture from a data address. */
export function loadImage(url) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = reject;
    image.src = url;
  });
}
