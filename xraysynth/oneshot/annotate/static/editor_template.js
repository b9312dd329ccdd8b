// What the editor consists of.

export const TEMPLATE = `
  <section class="editor" aria-label="Label editor">
    <div class="tools" role="toolbar" aria-label="Tools" aria-orientation="vertical">
      <button v-for="t in tools" :key="t.name" class="tool" :aria-pressed="tool === t.name"
        :title="t.help" :data-tool="t.name" @click="useTool(t.name)">
        <span>{{ t.title }}</span><kbd>{{ t.key }}</kbd>
      </button>
      <div class="options">
      <label class="field" v-if="tool === 'brush' || tool === 'eraser'">
        <span>Brush <output>{{ size }} px</output></span>
        <input type="range" min="1" max="24" v-model.number="size" aria-label="Brush size in pixels">
      </label>
      <fieldset class="field" v-else-if="tool === 'fill'">
        <legend>Groups</legend>
        <label v-for="(name, i) in levels" :key="name" class="choice">
          <input type="radio" name="level" :value="i" v-model.number="level"> {{ name }}
        </label>
      </fieldset>
      <p v-else class="hint">{{ toolHelp }}</p>
      </div>
      <div class="pair">
        <button @click="undo" :disabled="!canUndo" title="Ctrl+Z" data-do="undo">Undo</button>
        <button @click="redo" :disabled="!canRedo" title="Ctrl+Y" data-do="redo">Redo</button>
      </div>
      <div class="pair three">
        <button @click="zoom(0.8)" aria-label="Zoom out" title="-">&minus;</button>
        <button @click="fit" aria-label="Whole scan" title="Home">{{ times }}</button>
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
      <p class="hint">Pixels a class; what is not labelled is background.</p>
    </div>
    <dialog ref="help" aria-label="Keys" @close="helpOpen = false">
      <h2>Keys</h2>
      <dl><template v-for="h in help" :key="h[0]"><dt>{{ h[0] }}</dt><dd>{{ h[1] }}</dd></template></dl>
      <form method="dialog"><button>Close</button></form>
    </dialog>
  </section>`;
