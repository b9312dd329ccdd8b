// Where the scan lies on the canvas: scale in canvas pixels a scan pixel, and the place of its
// top left corner.

const LARGEST = 64;

/** Return the view that shows the whole scan, at a whole scale if that fits. */
export function fitted(canvas, scan) {
  const room = Math.min(canvas.width / scan.width, canvas.height / scan.height);
  const scale = room >= 2 ? Math.floor(room) : room;
  return {
    scale,
    x: Math.round((canvas.width - scan.width * scale) / 2),
    y: Math.round((canvas.height - scan.height * scale) / 2),
  };
}

/** Return the view zoomed by a factor around a point of the canvas. */
export function zoomed(view, factor, [x, y], canvas, scan) {
  const least = fitted(canvas, scan).scale / 2;
  const scale = Math.min(Math.max(view.scale * factor, least), LARGEST);
  const ratio = scale / view.scale;
  return { scale, x: x - (x - view.x) * ratio, y: y - (y - view.y) * ratio };
}

/** Return the scan's coordinates of a point of the canvas. */
export function toScan(view, [x, y]) {
  return [(x - view.x) / view.scale, (y - view.y) / view.scale];
}

/** Return the view moved so far that a pixel of the scan is seen. */
export function revealing(view, [x, y], canvas) {
  const shift = (start, end, size) => {
    const margin = Math.min(3 * view.scale, size / 4);
    if (start < margin) return margin - start;
    return end > size - margin ? size - margin - end : 0;
  };
  const [left, top] = [x * view.scale + view.x, y * view.scale + view.y];
  return {
    scale: view.scale,
    x: view.x + shift(left, left + view.scale, canvas.width),
    y: view.y + shift(top, top + view.scale, canvas.height),
  };
}
