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
  isTyping,
  loadImage,
  patternName,
  patternTile,
  regionAt,
} from "xraysynth-annotate";
import { EDITING } from "xraysynth-annotate/editing.js";
import { TEMPLATE } from "xraysynth-annotate/editor_template.js";
import { POINTING } from "xraysynth-annotate/pointing.js";
import { Stage } from "xraysynth-annotate/stage.js";

const LEVELS = ["coarse", "medium", "fine"];
const CHANGES = { past: new Map() };

export default {
  template: TEMPLATE,
  mixins: [EDITING, POINTING],
  props: { scan: Object, labels: Array, classes: Array, known: Array, frozen: Boolean },
  emits: ["labels", "add-class", "remove-class", "learn", "save"],

  data: () => ({
    tools: TOOLS,
    help: HELP,
    levels: LEVELS,
    tool: "fill",
    size: 3,
    level: 0,
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
      const { help } = TOOLS.find((t) => t.name === this.tool);
      return `${help[0].toUpperCase()}${help.slice(1)}.`;
    },
    times() {
      return `${Number((this.scale / (window.devicePixelRatio || 1)).toFixed(1))}×`;
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
    classes(now, before) {
      if (now.length < before.length) this.forget();
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
      this.drag = null;
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

    forget() {
      // The numbers of classes have changed; what was before cannot be gone back to.
      CHANGES.past.clear();
      this.history = new History();
      CHANGES.past.set(this.scan.key, this.history);
      this.refresh();
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

    preview() {
      const at = (this.pointer || this.cursor).map(Math.floor);
      const useful = this.tool === "fill" && this.stage.holds(at);
      const { width, height } = this.scan;
      this.previewed = useful ? regionAt(this.groups[this.level], width, height, ...at) : null;
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
      this.use(this.cursor.map((v) => v + 0.5));
    },

    resize(step) {
      if (this.tool === "fill") this.level = Math.min(2, Math.max(0, this.level + step));
      else this.size = Math.min(24, Math.max(1, this.size + step));
      this.paint();
    },

    useTool(name) {
      this.up();
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
