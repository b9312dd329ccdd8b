// The editor: tools, canvas, classes. It owns the labels of the scan while they are edited and
// reports every finished change; the server keeps them.

import {
  HELP,
  History,
  TOOLS,
  actionOf,
  countPixels,
  decodeBytes,
  decodeRuns,
  encodeRuns,
  fillPolygon,
  isTyping,
  loadImage,
  patternName,
  patternTile,
  regionAt,
  stroke,
} from "xraysynth-annotate";
import { Stage } from "xraysynth-annotate/stage.js";

const LEVELS = ["coarse", "medium", "fine"];
const CHANGES = { past: new Map() };

export default {
  template: `
  <section class="editor" aria-label="Label editor">
    <div class="tools" role="toolbar" aria-label="Tools" aria-orientation="vertical">
      <button v-for="t in tools" :key="t.name" class="tool" :aria-pressed="tool === t.name"
        :title="t.help" :data-tool="t.name" @click="useTool(t.name)">
        <span>{{ t.title }}</span><kbd>{{ t.key }}</kbd>
      </button>
      <label class="field" v-if="tool !== 'fill'">
        <span>Brush <output>{{ size }} px</output></span>
        <input type="range" min="1" max="24" v-model.number="size" aria-label="Brush size in pixels">
      </label>
      <fieldset class="field" v-else>
        <legend>Groups</legend>
        <label v-for="(name, i) in levels" :key="name" class="choice">
          <input type="radio" name="level" :value="i" v-model.number="level"> {{ name }}
        </label>
      </fieldset>
      <div class="pair">
        <button @click="undo" :disabled="!canUndo" title="Ctrl+Z" data-do="undo">Undo</button>
        <button @click="redo" :disabled="!canRedo" title="Ctrl+Y" data-do="redo">Redo</button>
      </div>
      <div class="pair three">
        <button @click="zoom(0.8)" aria-label="Zoom out" title="-">&minus;</button>
        <button @click="fit" aria-label="Whole scan" title="Home">{{ percent }}</button>
        <button @click="zoom(1.25)" aria-label="Zoom in" title="+">+</button>
      </div>
      <label class="field"><span>Labels <output>{{ Math.round(opacity * 100) }} %</output></span>
        <input type="range" min="0" max="1" step="0.05" v-model.number="opacity"
          aria-label="Strength of the labels"></label>
      <label class="choice"><input type="checkbox" v-model="showGroups"> Outlines
        <kbd>G</kbd></label>
      <button class="quiet" @click="helpOpen = true" data-do="help">All keys <kbd>?</kbd></button>
    </div>
    <div class="stage">
      <canvas ref="canvas" tabindex="0" role="application" :class="'with-' + tool"
        :aria-label="'Scan ' + scan.number + '. ' + spoken" aria-describedby="canvas-status"
        @pointerdown="down" @pointermove="moveTo" @pointerup="up" @pointercancel="up"
        @pointerleave="leave" @dblclick.prevent="closePolygon" @wheel.prevent="wheel"
        @contextmenu.prevent @focus="paint" @blur="paint"></canvas>
      <p id="canvas-status" class="status" role="status" aria-live="polite">{{ spoken }}</p>
    </div>
    <div class="classes">
      <h2>Classes</h2>
      <div role="radiogroup" aria-label="Class to label with">
        <div v-for="(c, i) in classes" :key="c.name" class="class" :class="{ chosen: i === chosen }">
          <label>
            <input type="radio" name="class" :value="i" v-model.number="chosen" :data-class="c.name">
            <kbd>{{ keyOf(i) }}</kbd>
            <img class="swatch" :src="swatches[i]" :alt="patterns[i]" :title="patterns[i]">
            <span class="name">{{ c.name }}</span>
            <span class="count">{{ counts[i] || 0 }}</span>
          </label>
          <button v-if="i > 0" class="remove" :aria-label="'Remove class ' + c.name"
            title="Remove; its pixels become background" @click="$emit('remove-class', i)">×</button>
        </div>
      </div>
      <form class="new-class" @submit.prevent="addClass">
        <input ref="newClass" v-model="newName" list="known-classes" maxlength="32"
          placeholder="New class" aria-label="Name of a new class" @keydown.esc="$refs.canvas.focus()">
        <datalist id="known-classes"><option v-for="n in known" :key="n" :value="n"></option></datalist>
        <button type="submit">Add</button>
      </form>
      <p class="hint">Pixels a class; the rest is background. {{ toolHelp }}</p>
    </div>
    <dialog ref="help" aria-label="Keys" @close="helpOpen = false">
      <h2>Keys</h2>
      <dl><template v-for="h in help" :key="h[0]"><dt>{{ h[0] }}</dt><dd>{{ h[1] }}</dd></template></dl>
      <form method="dialog"><button>Close</button></form>
    </dialog>
  </section>`,

  props: { scan: Object, labels: Array, classes: Array, known: Array, frozen: Boolean },
  emits: ["labels", "add-class", "remove-class", "learn", "save"],

  data: () => ({
    tools: TOOLS,
    help: HELP,
    levels: LEVELS,
    tool: "fill",
    size: 3,
    level: 1,
    opacity: 0.7,
    chosen: 1,
    hidden: false,
    showGroups: false,
    helpOpen: false,
    newName: "",
    counts: [],
    scale: 1,
    canUndo: false,
    canRedo: false,
    spoken: "",
  }),

  computed: {
    toolHelp() {
      const tool = TOOLS.find((t) => t.name === this.tool);
      return `${tool.title}: ${tool.help}.`;
    },
    percent() {
      return `${Math.round((this.scale / (window.devicePixelRatio || 1)) * 100)} %`;
    },
    patterns() {
      return this.classes.map((_, i) => `pattern: ${patternName(i)}`);
    },
    swatches() {
      return this.classes.map((c, i) => this.swatch(c, i));
    },
  },

  watch: {
    "scan.key": function () {
      this.load();
    },
    labels(runs) {
      if (this.map && encodeRuns(this.map).join() !== runs.join()) this.show(runs);
    },
    classes() {
      this.chosen = Math.min(this.chosen, this.classes.length - 1);
      this.paint();
    },
    chosen: "say",
    level: "refresh",
    opacity: "paint",
    showGroups: "paint",
    hidden: "paint",
    helpOpen(open) {
      if (open) this.$refs.help.showModal();
    },
  },

  mounted() {
    this.stage = new Stage(this.$refs.canvas);
    this.observer = new ResizeObserver(() => (this.stage.resize(), this.paint()));
    this.observer.observe(this.$refs.canvas);
    this.onKey = (event) => this.key(event);
    this.onKeyUp = (event) => event.key.toLowerCase() === "h" && (this.hidden = false);
    document.addEventListener("keydown", this.onKey);
    document.addEventListener("keyup", this.onKeyUp);
    this.load();
  },

  unmounted() {
    this.observer.disconnect();
    document.removeEventListener("keydown", this.onKey);
    document.removeEventListener("keyup", this.onKeyUp);
  },

  methods: {
    async load() {
      const scan = this.scan;
      this.points = [];
      this.cursor = [scan.width >> 1, scan.height >> 1];
      this.groups = scan.groups.map(decodeBytes);
      const image = await loadImage(scan.url);
      if (scan.key !== this.scan.key) return;
      this.stage.put(scan, image);
      if (!CHANGES.past.has(scan.key)) CHANGES.past.set(scan.key, new History());
      this.history = CHANGES.past.get(scan.key);
      this.show(this.labels);
      this.$el.dataset.ready = scan.key;
    },

    show(runs) {
      this.map = decodeRuns(runs, this.scan.width * this.scan.height);
      this.refresh();
    },

    refresh() {
      if (!this.map) return;
      this.counts = countPixels(this.map, this.classes.length);
      this.canUndo = this.history.past.length > 0;
      this.canRedo = this.history.future.length > 0;
      this.preview();
      this.say();
      this.paint();
    },

    paint() {
      if (!this.map) return;
      this.stage.draw({
        labels: this.map,
        classes: this.classes,
        opacity: this.hidden ? 0 : this.opacity,
        hidden: this.hidden,
        groups: this.showGroups ? this.groups[this.level] : null,
        preview: this.previewed,
        points: this.points,
        pointer: this.pointer,
        cursor: document.activeElement === this.$refs.canvas ? this.cursor : null,
        brush: this.tool === "brush" || this.tool === "eraser" ? this.size : 0,
        colour: this.classes[this.chosen].colour,
      });
      this.scale = this.stage.view.scale;
    },

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

    dab(map, from, to) {
      const value = this.tool === "eraser" ? 0 : this.chosen;
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

    preview() {
      const at = (this.pointer || this.cursor).map(Math.floor);
      const useful = this.tool === "fill" && this.stage.holds(at);
      const { width, height } = this.scan;
      this.previewed = useful ? regionAt(this.groups[this.level], width, height, ...at) : null;
    },

    // Pointer.

    down(event) {
      this.$refs.canvas.focus();
      const moving = this.tool === "move" || event.button === 1 || event.button === 2;
      const place = this.stage.placeOf(event);
      this.$refs.canvas.setPointerCapture(event.pointerId);
      if (moving) this.drag = { from: [event.clientX, event.clientY] };
      else if (this.tool === "brush" || this.tool === "eraser") this.startStroke(place);
      else this.use(place);
    },

    startStroke(place) {
      if (this.frozen) return;
      this.drag = { before: this.map.slice(), at: place.map(Math.floor) };
      this.dab(this.map, this.drag.at, this.drag.at);
      this.paint();
    },

    moveTo(event) {
      this.pointer = this.stage.placeOf(event);
      if (this.drag?.from) {
        this.stage.pan(event.clientX - this.drag.from[0], event.clientY - this.drag.from[1]);
        this.drag.from = [event.clientX, event.clientY];
      } else if (this.drag) {
        const to = this.pointer.map(Math.floor);
        this.dab(this.map, this.drag.at, to);
        this.drag.at = to;
      }
      this.preview();
      this.say();
      this.paint();
    },

    up() {
      const before = this.drag?.before;
      this.drag = null;
      if (before) this.finish(before);
    },

    leave() {
      this.pointer = null;
      this.preview();
      this.paint();
    },

    wheel(event) {
      this.stage.zoomAt(event.deltaY < 0 ? 1.15 : 1 / 1.15, event);
      this.paint();
    },

    // Keyboard.

    key(event) {
      if (isTyping(event) || this.$refs.help.open || !this.map) return;
      const onCanvas = event.target === this.$refs.canvas;
      const [name, ...values] = actionOf(event, onCanvas) || [];
      if (!name) return;
      event.preventDefault();
      this.act(name, values);
    },

    act(name, [first, second]) {
      const acts = {
        tool: () => this.useTool(first),
        pick: () => first < this.classes.length && (this.chosen = first),
        resize: () => this.resize(first),
        zoom: () => this.zoom(first),
        fit: () => this.fit(),
        close: () => this.closePolygon(),
        giveUp: () => this.giveUp(),
        takeBack: () => this.takeBack(),
        undo: () => this.undo(),
        redo: () => this.redo(),
        fade: () => (this.opacity = Math.min(1, Math.max(0, this.opacity + first))),
        hide: () => (this.hidden = true),
        toggleGroups: () => (this.showGroups = !this.showGroups),
        nameClass: () => this.$refs.newClass.focus(),
        learn: () => this.$emit("learn"),
        save: () => this.$emit("save"),
        help: () => (this.helpOpen = true),
        step: () => this.step(first, second),
        use: () => this.useAtCursor(),
      };
      acts[name]();
    },

    step(dx, dy) {
      this.cursor = [dx, dy].map((d, axis) => {
        const last = (axis ? this.scan.height : this.scan.width) - 1;
        return Math.min(last, Math.max(0, this.cursor[axis] + d));
      });
      this.pointer = null;
      this.stage.reveal(this.cursor);
      this.preview();
      this.say();
      this.paint();
    },

    useAtCursor() {
      // With the mouse over the canvas the corners are clicked, and Enter ends them.
      if (this.tool === "polygon" && this.pointer) this.closePolygon();
      else this.use(this.cursor.map((v) => v + 0.5));
    },

    resize(step) {
      if (this.tool === "fill") this.level = Math.min(2, Math.max(0, this.level + step));
      else this.size = Math.min(24, Math.max(1, this.size + step));
      this.paint();
    },

    useTool(name) {
      this.tool = name;
      this.points = [];
      this.refresh();
    },

    zoom(factor) {
      this.stage.zoomBy(factor);
      this.paint();
    },

    fit() {
      this.stage.fit();
      this.paint();
    },

    addClass() {
      if (this.newName.trim()) this.$emit("add-class", this.newName);
      this.newName = "";
      this.$refs.canvas.focus();
    },

    keyOf(i) {
      return i < 10 ? String(i) : i < 20 ? `⇧${i - 10}` : "";
    },

    say() {
      const at = (this.pointer || this.cursor || []).map(Math.floor);
      if (!this.map || !this.stage.holds(at)) return;
      const here = this.classes[this.map[at[1] * this.scan.width + at[0]]];
      const part = this.previewed ? `, this group has ${this.previewed.length} pixels` : "";
      const corners = this.points.length ? `, ${this.points.length} corners` : "";
      const brush = this.tool === "eraser" ? "background" : this.classes[this.chosen].name;
      this.spoken = `column ${at[0]}, row ${at[1]}: ${here ? here.name : ""}${part}${corners}. ${
        TOOLS.find((t) => t.name === this.tool).title
      }, ${brush}.`;
    },

    swatch(c, i) {
      const canvas = document.createElement("canvas");
      canvas.width = canvas.height = 40;
      const ink = canvas.getContext("2d");
      ink.fillStyle = "#ffffff";
      ink.fillRect(0, 0, 40, 40);
      if (i > 0) {
        ink.scale(2, 2);
        ink.fillStyle = ink.createPattern(patternTile(c.colour, i), "repeat");
        ink.fillRect(0, 0, 20, 20);
      }
      return canvas.toDataURL();
    },
  },
};
