// The editor under a mouse, a pen or a finger.

export const POINTING = {
  methods: {
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
      const value = this.tool === "eraser" ? 0 : this.chosen;
      this.drag = { before: this.map.slice(), at: place.map(Math.floor), value };
      this.dab(this.map, this.drag.at, this.drag.at, value);
      this.paint();
    },

    moveTo(event) {
      this.pointer = this.stage.placeOf(event);
      const at = this.pointer.map(Math.floor);
      if (this.stage.holds(at)) this.cursor = at; // The keyboard goes on from here.
      if (this.drag && !event.buttons) this.up(); // It was let go where nobody saw it.
      if (this.drag?.from) {
        this.stage.pan(event.clientX - this.drag.from[0], event.clientY - this.drag.from[1]);
        this.drag.from = [event.clientX, event.clientY];
      } else if (this.drag) {
        this.dab(this.map, this.drag.at, at, this.drag.value);
        this.drag.at = at;
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
  },
};
