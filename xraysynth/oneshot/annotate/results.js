// Fresh scans with what the segmenter says about them.

import { decodeRuns, drawLabels, drawNumbers, loadImage } from "xraysynth-annotate";

export default {
  template: `
  <ul class="results" aria-label="Fresh scans, labelled">
    <li v-for="t in tiles" :key="t.key">
      <canvas :ref="'tile-' + t.key" :data-tile="t.key" role="img" :aria-label="spoken(t)"></canvas>
      <p><b>{{ t.number }}</b> sure {{ Math.round(t.confidence * 100) }} %
        <button :aria-label="'Correct scan ' + t.number" title="Take it to the editor, with these labels"
          @click="$emit('correct', t.key)">Correct</button></p>
    </li>
  </ul>`,
  props: { tiles: Array, classes: Array, bare: Boolean },
  emits: ["correct"],
  watch: {
    tiles: { handler: "redraw", flush: "post" },
    classes: { handler: "redraw", flush: "post" },
    bare: { handler: "redraw", flush: "post" },
  },
  mounted() {
    this.redraw();
  },
  methods: {
    redraw() {
      for (const tile of this.tiles) this.draw(tile);
    },
    async draw(tile) {
      const image = await loadImage(tile.url);
      const found = this.$refs["tile-" + tile.key];
      const canvas = Array.isArray(found) ? found[0] : found;
      if (!canvas) return;
      const width = Math.round(canvas.clientWidth * (window.devicePixelRatio || 1));
      canvas.style.aspectRatio = `${tile.width} / ${tile.height}`;
      const scale = Math.max(width / tile.width, 0.1);
      canvas.width = width;
      canvas.height = Math.round(tile.height * scale);
      const ink = canvas.getContext("2d");
      ink.imageSmoothingEnabled = false;
      ink.drawImage(image, 0, 0, canvas.width, canvas.height);
      if (this.bare) return;
      const labels = decodeRuns(tile.labels, tile.width * tile.height);
      const view = { scale, x: 0, y: 0 };
      drawLabels(ink, view, tile, labels, this.classes, 0.7);
      drawNumbers(ink, view, tile, labels, (tile.width * tile.height) / 120, 11);
    },
    spoken(tile) {
      const present = [...new Set(tile.labels.filter((_, i) => i % 2 === 0))].filter((v) => v > 0);
      const names = present.map((v) => this.classes[v]?.name).filter(Boolean);
      return `Scan ${tile.number}: ${names.join(", ") || "background only"}`;
    },
  },
};
