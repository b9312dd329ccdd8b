export * from "./keys.js";
export * from "./overlay.js";
export * from "./painting.js";
export * from "./view.js";
