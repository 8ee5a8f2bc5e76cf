import assert from "node:assert/strict";
import { test } from "node:test";

import { contrast, parseColor } from "../src/color.js";
import { themeProperties } from "../src/theme.js";
import { readAction, withFields } from "../src/widgets/action.js";
import { niceTicks } from "../src/widgets/chart.js";
import { colorsOn } from "../src/widgets/ground.js";
import { background, block, border, color, spacing, tones } from "../src/widgets/values.js";

test("a colour is a token, a step of the palette, CSS, or one per scheme", () => {
  assert.equal(color("secondary", "text", "light"), "var(--muted)");
  assert.equal(color("surface-tertiary", "surface", "light"), "var(--hover)");
  assert.equal(color("strong", "border", "light"), "var(--edge)");
  assert.match(color("blue-500", "text", "light") ?? "", /^rgb\(\d+ \d+ 2\d\d\)$/);
  assert.equal(color("#123", "text", "light"), "#123");
  assert.equal(color({ light: "red", dark: "blue" }, "text", "dark"), "blue");
  for (const nothing of [null, 7, "", [], {}, undefined]) {
    assert.equal(color(nothing, "text", "light"), undefined);
  }
});

test("names of object methods are no tokens", () => {
  for (const name of ["constructor", "__proto__", "toString"]) {
    assert.equal(color(name, "text", "light"), name);
  }
});

test("a background takes gradients, and nothing that could load a file", () => {
  assert.deepEqual(background("linear-gradient(red, blue)", "light"), {
    backgroundImage: "linear-gradient(red, blue)",
  });
  for (const loading of [
    "url(https://evil.example/a)",
    "linear-gradient(red, blue), url(//evil.example/a)",
    "linear-gradient(red, blue), u\\72l(//evil.example/a)",
    "linear-gradient(red, blue), image-set('//evil.example/a' 1x)",
    "linear-gradient(red, blue), cross-fade('//evil.example/a', red)",
    "linear-gradient(red, blue), src('//evil.example/a')",
  ]) {
    // As a colour it is invalid, and the browser drops it.
    assert.deepEqual(Object.keys(background(loading, "light")), ["backgroundColor"], loading);
  }
});

test("distances are spacing units or CSS, sides refine axes, and left is where lines begin", () => {
  assert.deepEqual(spacing("padding", 2), { padding: "calc(var(--space) * 2)" });
  assert.deepEqual(spacing("margin", "1em"), { margin: "1em" });
  assert.deepEqual(Object.entries(spacing("padding", { left: 1, x: 2, top: "3px" })), [
    ["paddingInline", "calc(var(--space) * 2)"],
    ["paddingBlockStart", "3px"],
    ["paddingInlineStart", "calc(var(--space) * 1)"],
  ]);
  assert.deepEqual(spacing("padding", Number.NaN), {});
});

test("sizes are pixels or CSS, and `size` is both sides", () => {
  assert.deepEqual(block({ size: 40, width: "50%", radius: "full" }), {
    width: "50%",
    height: "40px",
    borderRadius: "9999px",
  });
});

test("a border is a width, an edge, or an edge for each side", () => {
  assert.deepEqual(border(1, "light"), { border: "1px solid var(--border)" });
  assert.deepEqual(border({ size: 2, color: "strong", style: "dashed" }, "light"), {
    border: "2px dashed var(--edge)",
  });
  assert.deepEqual(border({ y: 1, left: { size: 3, style: "url(x)" } }, "light"), {
    borderBlock: "1px solid var(--border)",
    borderInlineStart: "3px solid var(--border)",
  });
});

test("fields go into the payload by their path, and what it says itself stays", () => {
  const given = withFields({ id: 7, todo: { done: false, title: "Mine" } }, [
    ["todo.title", "Theirs"],
    ["todo.text", "New"],
    ["note", "Hi"],
  ]);
  assert.deepEqual(JSON.parse(JSON.stringify(given)), {
    payload: { id: 7, note: "Hi", todo: { done: false, text: "New", title: "Mine" } },
    taken: ["todo.title"],
  });
  assert.deepEqual(withFields(undefined, []), { taken: [] });
});

test("a field of any name changes no other object", () => {
  const { payload } = withFields({}, [
    ["__proto__.polluted", "yes"],
    ["constructor.prototype.polluted", "yes"],
  ]);
  assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
  assert.match(JSON.stringify(payload), /polluted/);
});

test("what is not an action is none, and what an action leaves out is as the server means it", () => {
  assert.deepEqual(readAction({ type: "open" }), {
    type: "open",
    handler: "server",
    loadingBehavior: "auto",
    streaming: true,
  });
  for (const none of [null, "open", {}, { type: 1 }, []]) assert.equal(readAction(none), null);
});

test("ticks are round and hold every value", () => {
  assert.deepEqual(niceTicks(0, 370), [0, 100, 200, 300, 400]);
  assert.deepEqual(niceTicks(-3, 9), [-5, 0, 5, 10]);
  assert.deepEqual(niceTicks(0, 0.7), [0, 0.2, 0.4, 0.6, 0.8]);
  const flat = niceTicks(0, 0);
  assert.ok(flat.length < 10 && flat.every(Number.isFinite), "no value is a value too");
});

test("buttons and badges are readable in every tone on light and dark themes", () => {
  for (const colorScheme of ["light", "dark"] as const) {
    for (const primary of ["#3b5bdb", "#ffd60a", "#22c55e"]) {
      const theme = themeProperties(
        { colorScheme, color: { accent: { primary, level: 1 } } },
        parseColor,
      );
      const found = tones(theme);
      const rgb = (name: string) => parseColor(found[name] ?? "") ?? [0, 0, 0];
      const names = Object.keys(found).filter((name) => name.endsWith("-solid"));
      assert.equal(names.length, 8);
      for (const name of names.map((solid) => solid.replace("-solid", ""))) {
        const inks = [
          contrast(rgb(`${name}-ink`), rgb(`${name}-solid`)),
          contrast(rgb(`${name}-text`), rgb(`${name}-tint`)),
        ];
        for (const ratio of inks) assert.ok(ratio >= 4.5, `${colorScheme} ${name}: ${ratio}`);
      }
    }
  }
});

const HUES = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "gray"];
const STEPS = [50, 100, 200, 300, 400, 500, 600, 700, 800, 900];
const PALETTE = HUES.flatMap((hue) => STEPS.map((step) => `${hue}-${step}`));

for (const colorScheme of ["light", "dark"] as const) {
  const theme = themeProperties({ colorScheme }, parseColor);
  const rgb = (value: string | undefined) => parseColor(value ?? "") ?? assert.fail(value);

  test(`every colour of the palette can be read as text on ${colorScheme} grounds`, () => {
    for (const name of PALETTE) {
      const text = rgb(color(name, "text", colorScheme, theme));
      for (const ground of ["--bg", "--raised", "--hover"]) {
        const ratio = contrast(text, rgb(theme[ground]));
        assert.ok(ratio >= 4.5, `${name} on ${ground}: ${ratio}`);
      }
    }
  });

  test(`texts can be read on every colour of the palette in the ${colorScheme} scheme`, () => {
    for (const name of PALETTE) {
      const ground = rgb(color(name, "surface", colorScheme));
      const own = colorsOn(ground, theme);
      for (const text of ["--fg", "--muted", "--link"]) {
        const ratio = contrast(rgb(own[text]), ground);
        assert.ok(ratio >= 4.5, `${text} on ${name}: ${ratio}`);
      }
    }
  });
}
