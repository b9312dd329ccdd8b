// Label maps: one byte a pixel, row by row. Nothing here knows of the screen.

/** Return the label map of a list value, length, value, length, ... */
export function decodeRuns(runs, size) {
  const labels = new Uint8Array(size);
  let place = 0;
  for (let i = 0; i < runs.length; i += 2) {
    labels.fill(runs[i], place, place + runs[i + 1]);
    place += runs[i + 1];
  }
  return labels;
}

/** Return a label map as value, length, value, length, ... */
export function encodeRuns(labels) {
  const runs = [];
  let start = 0;
  for (let i = 1; i <= labels.length; i++) {
    if (i === labels.length || labels[i] !== labels[start]) {
      runs.push(labels[start], i - start);
      start = i;
    }
  }
  return runs;
}

/** Return the bytes of base64 text. */
export function decodeBytes(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

/** Give every pixel whose centre lies inside a polygon (even-odd rule) a value. */
export function fillPolygon(labels, width, height, points, value) {
  for (let row = 0; row < height; row++) {
    const y = row + 0.5;
    const crossings = [];
    for (let i = 0; i < points.length; i++) {
      const [x0, y0] = points[i];
      const [x1, y1] = points[(i + 1) % points.length];
      if (y0 <= y !== y1 <= y) crossings.push(x0 + ((y - y0) * (x1 - x0)) / (y1 - y0));
    }
    crossings.sort((a, b) => a - b);
    for (let i = 0; i + 1 < crossings.length; i += 2) {
      const first = Math.max(0, Math.ceil(crossings[i] - 0.5));
      const last = Math.min(width - 1, Math.ceil(crossings[i + 1] - 0.5) - 1);
      for (let col = first; col <= last; col++) labels[row * width + col] = value;
    }
  }
}

/** Give the pixels under a round brush, moved from one pixel to another, a value. */
export function stroke(labels, width, height, from, to, diameter, value) {
  const steps = Math.max(Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1]), 1);
  const radius = diameter / 2;
  // An even brush lies on a pixel's corner, an odd one on its centre.
  const shift = diameter % 2 ? 0 : 0.5;
  const reach = Math.ceil(radius);
  for (let step = 0; step <= steps; step++) {
    const x = Math.round(from[0] + ((to[0] - from[0]) * step) / steps);
    const y = Math.round(from[1] + ((to[1] - from[1]) * step) / steps);
    for (let row = Math.max(0, y - reach); row <= Math.min(height - 1, y + reach); row++) {
      for (let col = Math.max(0, x - reach); col <= Math.min(width - 1, x + reach); col++) {
        const inside = Math.hypot(col - x + shift, row - y + shift) <= Math.max(radius - 0.1, 0.1);
        if (inside) labels[row * width + col] = value;
      }
    }
  }
}

/** Return the places of the pixels that hang together with (x, y) and have its value. */
export function regionAt(values, width, height, x, y) {
  const start = y * width + x;
  const wanted = values[start];
  const seen = new Uint8Array(values.length);
  const region = [start];
  seen[start] = 1;
  for (let i = 0; i < region.length; i++) {
    const place = region[i];
    const col = place % width;
    const around = [
      col > 0 ? place - 1 : -1,
      col < width - 1 ? place + 1 : -1,
      place - width,
      place + width,
    ];
    for (const next of around) {
      if (next < 0 || next >= values.length || seen[next] || values[next] !== wanted) continue;
      seen[next] = 1;
      region.push(next);
    }
  }
  return region;
}

/** Return the regions of all classes but the background: {value, region}. */
export function regionsOf(labels, width, height) {
  const seen = new Uint8Array(labels.length);
  const found = [];
  for (let place = 0; place < labels.length; place++) {
    if (seen[place] || labels[place] === 0) continue;
    const region = regionAt(labels, width, height, place % width, Math.floor(place / width));
    for (const inside of region) seen[inside] = 1;
    found.push({ value: labels[place], region });
  }
  return found;
}

/** Return the number of pixels of each class. */
export function countPixels(labels, classes) {
  const counts = new Array(classes).fill(0);
  for (const value of labels) counts[value] += 1;
  return counts;
}

/** Snapshots of one scan's labels, back and forth; the oldest are dropped beyond `limit` bytes. */
export class History {
  constructor(limit = 32e6) {
    this.limit = limit;
    this.past = [];
    this.future = [];
  }

  /** Remember the labels as they were before a change. */
  remember(before) {
    this.past.push(before);
    this.future = [];
    while (this.past.length > 1 && this.past.length * before.length > this.limit) this.past.shift();
  }

  /** Return the labels before the last change, or null. */
  undo(now) {
    return this.step(this.past, this.future, now);
  }

  /** Return the labels before the last undo, or null. */
  redo(now) {
    return this.step(this.future, this.past, now);
  }

  step(from, to, now) {
    if (!from.length) return null;
    to.push(now);
    return from.pop();
  }
}
