// The canvas: scan, labels, and what the tools show, in one drawing.

import { drawLabels, drawNumbers, outlinePath, strokePath } from "./overlay.js";
import { fitted, revealing, toScan, zoomed } from "./view.js";

export class Stage {
  constructor(canvas) {
    this.canvas = canvas;
    this.view = { scale: 1, x: 0, y: 0 };
    this.ratio = 1;
    this.resize();
  }

  /** Give the canvas as many pixels as the screen has there. */
  resize() {
    this.ratio = window.devicePixelRatio || 1;
    const { width, height } = this.canvas.getBoundingClientRect();
    this.canvas.width = Math.max(1, Math.round(width * this.ratio));
    this.canvas.height = Math.max(1, Math.round(height * this.ratio));
    this.fit();
  }

  put(scan, image) {
    this.scan = scan;
    this.image = image;
    this.fit();
  }

  fit() {
    if (this.scan) this.view = fitted(this.canvas, this.scan);
  }

  zoomAt(factor, event) {
    this.view = zoomed(this.view, factor, this.pointOf(event), this.canvas, this.scan);
  }

  zoomBy(factor) {
    const middle = [this.canvas.width / 2, this.canvas.height / 2];
    this.view = zoomed(this.view, factor, middle, this.canvas, this.scan);
  }

  pan(dx, dy) {
    this.view.x += dx * this.ratio;
    this.view.y += dy * this.ratio;
  }

  reveal(pixel) {
    this.view = revealing(this.view, pixel, this.canvas);
  }

  /** Return the point of the canvas under a pointer. */
  pointOf(event) {
    const box = this.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * this.ratio, (event.clientY - box.top) * this.ratio];
  }

  /** Return the place of the scan under a pointer, in pixels of the scan. */
  placeOf(event) {
    return toScan(this.view, this.pointOf(event));
  }

  holds([x, y]) {
    return this.scan && x >= 0 && y >= 0 && x < this.scan.width && y < this.scan.height;
  }

  clamp(value, axis) {
    return Math.min(axis ? this.scan.height : this.scan.width, Math.max(0, value));
  }

  draw(shown) {
    if (!this.image) return;
    const ink = this.canvas.getContext("2d");
    const { scale, x, y } = this.view;
    const { width, height } = this.scan;
    ink.fillStyle = "#dde3e8";
    ink.fillRect(0, 0, this.canvas.width, this.canvas.height);
    ink.imageSmoothingEnabled = false;
    ink.drawImage(this.image, x, y, width * scale, height * scale);
    if (!shown.hidden) {
      drawLabels(ink, this.view, this.scan, shown.labels, shown.classes, shown.opacity);
      const smallest = Math.max(6, (width * height) / 1500);
      drawNumbers(ink, this.view, this.scan, shown.labels, smallest, 13 * this.ratio);
    }
    if (shown.groups) this.drawGroups(ink, shown.groups);
    if (shown.preview) this.drawPreview(ink, shown);
    this.drawPolygon(ink, shown);
    this.drawPointer(ink, shown);
  }

  drawGroups(ink, groups) {
    for (const value of new Set(groups)) {
      const path = outlinePath(groups, this.scan.width, this.scan.height, (v) => v === value);
      strokePath(ink, this.view, path, [["rgba(20, 40, 60, 0.45)", 1]]);
    }
  }

  drawPreview(ink, { preview, colour }) {
    const inside = new Uint8Array(this.scan.width * this.scan.height);
    for (const place of preview) inside[place] = 1;
    const path = outlinePath(inside, this.scan.width, this.scan.height, (v) => v === 1);
    const [r, g, b] = colour.map((level) => Math.round(level * 0.55));
    strokePath(ink, this.view, path, [
      ["rgba(255, 255, 255, 0.95)", 3.5],
      [`rgb(${r}, ${g}, ${b})`, 2, [6, 4]],
    ]);
  }

  drawPolygon(ink, { points, pointer, cursor }) {
    if (!points.length) return;
    const end = pointer || (cursor && cursor.map((v) => v + 0.5));
    const path = new Path2D();
    [...points, ...(end ? [end] : [])].forEach(([px, py], i) => {
      if (i) path.lineTo(px, py);
      else path.moveTo(px, py);
    });
    strokePath(ink, this.view, path, [
      ["rgba(255, 255, 255, 0.95)", 4],
      ["#1b2733", 1.75],
    ]);
    for (const [px, py] of points) {
      ink.fillStyle = "#ffffff";
      ink.strokeStyle = "#1b2733";
      ink.lineWidth = 1.75;
      ink.beginPath();
      ink.arc(px * this.view.scale + this.view.x, py * this.view.scale + this.view.y, 4.5, 0, 7);
      ink.fill();
      ink.stroke();
    }
  }

  drawPointer(ink, { pointer, cursor, brush }) {
    const { scale, x, y } = this.view;
    if (cursor && !pointer) {
      const box = new Path2D();
      box.rect(cursor[0], cursor[1], 1, 1);
      strokePath(ink, this.view, box, [
        ["#ffffff", 5],
        ["#0b57d0", 2.5],
      ]);
    }
    const at = pointer || (cursor && cursor.map((v) => v + 0.5));
    if (!brush || !at) return;
    const middle = at.map((v) => Math.floor(v) + (brush % 2 ? 0.5 : 0));
    ink.beginPath();
    ink.arc(middle[0] * scale + x, middle[1] * scale + y, (brush / 2) * scale, 0, 7);
    ink.strokeStyle = "#ffffff";
    ink.lineWidth = 3.5;
    ink.stroke();
    ink.strokeStyle = "#1b2733";
    ink.lineWidth = 1.5;
    ink.stroke();
  }
}
