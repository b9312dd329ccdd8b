// The editor's changes to the labels, and the tools that make them.

import { encodeRuns, fillPolygon, regionAt, stroke } from "./painting.js";

export const EDITING = {
  methods: {
    // What a change is: the labels before it are remembered, those after it are reported.

    change(edit) {
      if (this.frozen) return;
      const before = this.map.slice();
      edit(this.map);
      this.finish(before);
    },

    finish(before) {
      if (this.map.every((value, i) => value === before[i])) return this.paint();
      this.history.remember(before);
      this.report();
    },

    report() {
      this.refresh();
      this.$emit("labels", { key: this.scan.key, runs: encodeRuns(this.map) });
    },

    undo() {
      this.replace(this.history.undo(this.map));
    },

    redo() {
      this.replace(this.history.redo(this.map));
    },

    replace(labels) {
      if (!labels || this.frozen) return;
      // A class may have been removed since.
      this.map = labels.map((value) => (value < this.classes.length ? value : 0));
      this.report();
    },

    // Tools, at a place of the scan in pixels.

    use(place) {
      const at = place.map(Math.floor);
      if (this.tool === "polygon") return this.addCorner(place);
      if (this.tool === "fill") return this.fill(at);
      if (this.tool !== "move") this.change((map) => this.dab(map, at, at));
    },

    dab(map, from, to, value = this.tool === "eraser" ? 0 : this.chosen) {
      stroke(map, this.scan.width, this.scan.height, from, to, this.size, value);
    },

    fill([x, y]) {
      if (!this.stage.holds([x, y])) return;
      const { width, height } = this.scan;
      const region = regionAt(this.groups[this.level], width, height, x, y);
      this.change((map) => region.forEach((place) => (map[place] = this.chosen)));
    },

    addCorner(place) {
      const [x, y] = this.points[0] || [Infinity, Infinity];
      const near = Math.hypot(place[0] - x, place[1] - y) * this.stage.view.scale < 9;
      if (this.points.length > 2 && near) return this.closePolygon();
      this.points.push(place.map((v, i) => this.stage.clamp(v, i)));
      this.say();
      this.paint();
    },

    closePolygon() {
      const points = this.points;
      this.points = [];
      if (points.length > 2) {
        const { width, height } = this.scan;
        this.change((map) => fillPolygon(map, width, height, points, this.chosen));
      }
      this.say();
      this.paint();
    },

    giveUp() {
      this.points = [];
      this.paint();
    },

    takeBack() {
      this.points.pop();
      this.paint();
    },
  },
};
