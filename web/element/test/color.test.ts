import assert from "node:assert/strict";
import { test } from "node:test";

import { contrast, parseColor, readable, type RGB } from "../src/color.js";
import { themeProperties } from "../src/theme.js";

test("colours are read in the forms that browsers compute", () => {
  assert.deepEqual(parseColor("#fff"), [255, 255, 255]);
  assert.deepEqual(parseColor("#0a0B0c"), [10, 11, 12]);
  assert.deepEqual(parseColor("rgb(1, 2, 3)"), [1, 2, 3]);
  assert.deepEqual(parseColor("rgba(1, 2, 3, 0.5)"), [1, 2, 3]);
  assert.deepEqual(parseColor("color(srgb 1 0 0.2)"), [255, 0, 51]);
});

test("what is no such colour is refused, transparency included", () => {
  for (const text of ["", "red", "oklch(0.7 0.2 150)", "rgba(0, 0, 0, 0)", "rgb(x, y, z)"]) {
    assert.equal(parseColor(text), null, text);
  }
});

test("contrast is that of WCAG", () => {
  assert.equal(contrast([0, 0, 0], [255, 255, 255]), 21);
  assert.equal(contrast([118, 118, 118], [255, 255, 255]).toFixed(2), "4.54");
});

test("a colour that can be read stays, another one is moved until it can", () => {
  const white: RGB = [255, 255, 255];
  assert.deepEqual(readable([0, 0, 128], [white], [0, 0, 0]), [0, 0, 128]);
  const yellow = readable([255, 225, 77], [white], [20, 20, 20]);
  assert.ok(contrast(yellow, white) >= 4.5);
});

test("every text of a theme has contrast enough, whatever the accent", () => {
  for (const colorScheme of ["light", "dark"] as const) {
    for (const primary of ["#ffe14d", "#000000", "#ffffff", "#ff0000", "#25c2a0", "#808080"]) {
      const theme = { colorScheme, color: { accent: { primary, level: 1 as const } } };
      const properties = themeProperties(theme, parseColor);
      const color = (name: string) => {
        const parts = /^rgb\((\d+) (\d+) (\d+)\)$/.exec(properties[`--${name}`] ?? "");
        assert.ok(parts, name);
        return parts.slice(1).map(Number) as unknown as RGB;
      };
      for (const [text, background] of [
        ["fg", "bg"],
        ["muted", "bg"],
        ["muted", "raised"],
        ["link", "bg"],
        ["link", "raised"],
        ["on-accent", "accent"],
        ["on-accent-soft", "accent-soft"],
        ["danger", "bg"],
        ["fg", "danger-soft"],
        ["fg", "accent-soft"],
      ] as const) {
        const ratio = contrast(color(text), color(background));
        assert.ok(ratio >= 4.5, `${text} on ${background}, ${colorScheme} ${primary}: ${ratio}`);
      }
    }
  }
});
