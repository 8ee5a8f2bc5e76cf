import assert from "node:assert/strict";
import { test } from "node:test";

import { strings as de } from "../src/languages/de.js";
import { strings as es } from "../src/languages/es.js";
import { strings as fr } from "../src/languages/fr.js";
import { strings as ja } from "../src/languages/ja.js";
import { strings as pt } from "../src/languages/pt.js";
import { strings as zh } from "../src/languages/zh.js";
import { strings as zhHant } from "../src/languages/zh-hant.js";
import { later, laterEnglish } from "../src/later.js";
import {
  english as firstEnglish,
  type Language,
  languageFor,
  locale,
  speak,
  strings,
} from "../src/strings.js";

const english: Language = { ...firstEnglish, ...laterEnglish };
const LANGUAGES = { de, es, fr, ja, pt, zh, "zh-Hant": zhHant };

/** A text for each way of saying it: nothing, one, two and many of what is counted. */
function says(text: Language[keyof Language]): string[] {
  if (typeof text === "string") return [text];
  if (typeof text === "object") return Object.values(text);
  const say = text as (...values: (string | number)[]) => string;
  const numbers = [0, 1, 2, 7].map((n) => say(n as never, "⟨second⟩"));
  return [...numbers, say("⟨first⟩", "⟨second⟩")];
}

/** Which of the two values a text gives back. */
function placeholders(text: Language[keyof Language]): string[] {
  const last = says(text).at(-1) ?? "";
  return ["⟨first⟩", "⟨second⟩"].filter((value) => last.includes(value));
}

for (const [name, translated] of Object.entries(LANGUAGES)) {
  test(`${name} says everything, with the values that English has`, () => {
    assert.deepEqual(Object.keys(translated).sort(), Object.keys(english).sort());
    assert.deepEqual(Object.keys(translated.failures), Object.keys(english.failures));
    for (const key of Object.keys(english) as (keyof Language)[]) {
      assert.equal(typeof translated[key], typeof english[key], key);
      assert.deepEqual(placeholders(translated[key]), placeholders(english[key]), key);
      for (const text of says(translated[key])) assert.ok(text.trim() === text && text, key);
    }
  });

  test(`${name} is another language than English`, () => {
    const same = (Object.keys(english) as (keyof Language)[]).filter(
      (key) => says(translated[key]).join() === says(english[key]).join(),
    );
    // Words that some of them share with English.
    const shared = ["chat", "message", "sources", "source", "code", "image", "suggestions"];
    assert.deepEqual(
      same.filter((key) => !shared.includes(key)),
      [],
    );
  });
}

test("what is counted agrees with its number", () => {
  assert.equal(english.answered(1), "The answer is complete, with 1 source.");
  assert.equal(de.answered(1), "Die Antwort ist fertig, mit 1 Quelle.");
  assert.equal(de.answered(2), "Die Antwort ist fertig, mit 2 Quellen.");
  assert.equal(fr.tryAgainIn(1), "Réessayez dans 1 seconde.");
  assert.equal(fr.tryAgainIn(2), "Réessayez dans 2 secondes.");
  assert.equal(pt.suggested(1), "1 sugestão");
  assert.equal(pt.suggested(5), "5 sugestões");
});

test("a regional tag falls back to its language, an unknown one to English", () => {
  const cases = {
    "de-AT": "de",
    "pt-PT": "pt",
    "es-419": "es",
    "zh-CN": "zh",
    "zh-TW": "zh-Hant",
    "zh-Hant": "zh-Hant",
    "zh-HK": "zh-Hant",
    "en-GB": "en",
    it: "en",
    not_a_tag: "en",
    "": "en",
  };
  for (const [tag, name] of Object.entries(cases)) assert.equal(languageFor(tag), name, tag);
});

test("the language that was asked for last is spoken", async () => {
  await Promise.all([speak("de-AT"), speak("fr"), speak("ja")]);
  assert.equal(strings.send, ja.send);
  assert.equal(locale, "ja");
  await speak("de-AT");
  assert.equal(strings.send, de.send);
  assert.equal(later().dictate, de.dictate);
  assert.equal(locale, "de-AT");
  await speak("it");
  assert.equal(strings.send, english.send);
  assert.equal(later().dictate, english.dictate);
  assert.equal(locale, "en");
});
