import type { TranslationFile } from "@docusaurus/types";

import type { Content } from "./index";

/** What the bubble and the panel themselves say; the chat inside has texts of its own. */
export interface Texts {
  title: string;
  greeting: string;
  placeholder: string;
  failed: string;
  loading: string;
  resize: string;
  askSelection: string;
}

const TEXTS: Record<string, Texts> = {
  en: {
    title: "Ask the docs",
    greeting: "What would you like to know?",
    placeholder: "Ask a question",
    failed: "The chat could not be loaded. Try again, or reload the page.",
    loading: "Loading the chat",
    resize: "Resize the chat: drag, or press the arrow keys",
    askSelection: "Ask about this",
  },
  de: {
    title: "Die Doku fragen",
    greeting: "Was möchten Sie wissen?",
    placeholder: "Stellen Sie eine Frage",
    failed:
      "Der Chat konnte nicht geladen werden. Versuchen Sie es noch einmal, oder laden Sie die Seite neu.",
    loading: "Der Chat wird geladen",
    resize: "Größe des Chats ändern: ziehen oder Pfeiltasten drücken",
    askSelection: "Danach fragen",
  },
  fr: {
    title: "Interroger la documentation",
    greeting: "Que souhaitez-vous savoir ?",
    placeholder: "Posez une question",
    failed: "La discussion n’a pas pu être chargée. Réessayez ou rechargez la page.",
    loading: "Chargement de la discussion",
    resize: "Redimensionner la discussion : faites glisser ou utilisez les flèches",
    askSelection: "Demander à ce sujet",
  },
  es: {
    title: "Preguntar a la documentación",
    greeting: "¿Qué quieres saber?",
    placeholder: "Haz una pregunta",
    failed: "No se ha podido cargar el chat. Inténtalo de nuevo o recarga la página.",
    loading: "Cargando el chat",
    resize: "Cambiar el tamaño del chat: arrastra o pulsa las flechas",
    askSelection: "Preguntar sobre esto",
  },
  pt: {
    title: "Perguntar à documentação",
    greeting: "O que você gostaria de saber?",
    placeholder: "Faça uma pergunta",
    failed: "Não foi possível carregar o chat. Tente novamente ou recarregue a página.",
    loading: "Carregando o chat",
    resize: "Redimensionar o chat: arraste ou use as setas",
    askSelection: "Perguntar sobre isto",
  },
  ja: {
    title: "ドキュメントに質問する",
    greeting: "何をお調べですか?",
    placeholder: "質問を入力",
    failed:
      "チャットを読み込めませんでした。もう一度お試しいただくか、ページを再読み込みしてください。",
    loading: "チャットを読み込み中",
    resize: "チャットのサイズを変更(ドラッグまたは矢印キー)",
    askSelection: "これについて質問",
  },
  zh: {
    title: "向文档提问",
    greeting: "您想了解什么?",
    placeholder: "输入您的问题",
    failed: "无法加载聊天,请重试或刷新页面。",
    loading: "正在加载聊天",
    resize: "调整聊天窗口大小:拖动或按方向键",
    askSelection: "就此提问",
  },
  "zh-Hant": {
    title: "向文件提問",
    greeting: "您想了解什麼?",
    placeholder: "輸入您的問題",
    failed: "無法載入聊天,請重試或重新整理頁面。",
    loading: "正在載入聊天",
    resize: "調整聊天視窗大小:拖曳或按方向鍵",
    askSelection: "就此提問",
  },
};

/** The texts in a site's language, or English. */
export function textsFor(locale: string): Texts {
  const { language, script } = new Intl.Locale(locale).maximize();
  const texts = TEXTS[`${language}-${script ?? ""}`] ?? TEXTS[language] ?? TEXTS.en;
  return texts as Texts;
}

interface Text {
  description: string;
  /** The object that has the text, and under which name. */
  owner: object;
  name: string;
}

/** Every text that a translator may change, by the key that it has in the translation file. */
function collect(content: Content): Map<string, Text> {
  const found = new Map<string, Text>();
  const add = (key: string, owner: object | undefined, name: string, description: string) => {
    if (owner && name in owner) found.set(key, { description, owner, name });
  };
  const { bubble, chat } = content;
  add("title", bubble, "title", "The name of the bubble and of the chat");
  add("failed", bubble, "failed", "Said at the bubble when the chat could not be loaded");
  add("loading", chat, "loading", "Said while the chat is being loaded");
  add("resize", chat, "resize", "The name of the corner that changes the size of the chat");
  add("askSelection", bubble, "askSelection", "The button beside a text that is marked");
  add("greeting", chat, "greeting", "Shown while the chat is empty");
  add("placeholder", chat, "placeholder", "Shown in the empty text field");
  add("disclaimer", chat.disclaimer, "text", "Shown below the text field, in Markdown");
  // By their text, as in Docusaurus' own files: a number would go to another prompt after a change.
  for (const prompt of chat.prompts) {
    const key = `prompt.${prompt.label}`;
    if (prompt.prompt !== prompt.label) {
      add(`${key}.prompt`, prompt, "prompt", `What "${prompt.label}" asks`);
    }
    add(key, prompt, "label", "A question to start with");
  }
  for (const tool of chat.composer?.tools ?? []) {
    for (const name of ["label", "shortLabel", "placeholderOverride"]) {
      add(`tool.${tool.id}.${name}`, tool, name, "A tool in the menu of the text field");
    }
  }
  for (const model of chat.composer?.models ?? []) {
    for (const name of ["label", "description"]) {
      add(`model.${model.id}.${name}`, model, name, "A model in the menu of the text field");
    }
  }
  return found;
}

/** For `docusaurus write-translations`. */
export function translationFiles(content: Content): TranslationFile[] {
  const entries = [...collect(content)].map(([key, { owner, name, description }]) => [
    key,
    { message: (owner as Record<string, string>)[name], description },
  ]);
  return [{ path: "texts", content: Object.fromEntries(entries) as TranslationFile["content"] }];
}

export function translate(content: Content, files: TranslationFile[]): Content {
  const translated = structuredClone(content);
  // Before anything changes: what a prompt asks is its label unless it says something else.
  const same = translated.chat.prompts.filter(({ label, prompt }) => label === prompt);
  for (const [key, { owner, name }] of collect(translated)) {
    const message = files[0]?.content[key]?.message;
    if (message) (owner as Record<string, string>)[name] = message;
  }
  for (const prompt of same) prompt.prompt = prompt.label;
  translated.chat.title = translated.bubble.title;
  return translated;
}
