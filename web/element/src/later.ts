/** What the parts say that are loaded when they are first needed. */

import { english, type Language, strings } from "./strings.js";

export const laterEnglish = {
  yourChats: "Your chats",
  noChats: "No chats yet",
  noChatsHint: "Questions that you ask are kept here.",
  loadMore: "Load more",
  untitled: "Untitled chat",
  deleteChat: (title: string) => `Delete “${title}”`,
  reallyDelete: (title: string) => `Delete “${title}”?`,
  delete: "Delete",
  cancel: "Cancel",
  save: "Save",
  renameChat: (title: string) => `Rename “${title}”`,
  chatName: "Name of the chat",
  exportAll: "Export my chats",
  deleteAll: "Delete everything about me",
  reallyDeleteAll: "Delete all your chats and files for good?",
  deletedAll: "Everything about you was deleted.",
  closed: "This chat is closed.",
  dismiss: "Dismiss",
  remove: (name: string) => `Remove “${name}”`,
  add: "Add",
  tools: "Tools",
  model: (name: string) => `Model: ${name}`,
  mention: "Mention something",
  suggestions: "Suggestions",
  suggested: (count: number) =>
    count === 0 ? "No suggestions" : count === 1 ? "1 suggestion" : `${count} suggestions`,
  attach: "Attach files",
  attachments: "Attached files",
  dropHere: "Drop files here",
  uploading: (name: string) => `Uploading “${name}”`,
  tooBig: (name: string, limit: string) => `“${name}” is larger than ${limit}.`,
  emptyFile: (name: string) => `“${name}” is empty.`,
  tooMany: (count: number) =>
    count === 1
      ? "Only one file can be attached to a message."
      : `Only ${count} files can be attached to a message.`,
  wrongType: (name: string) => `“${name}” is not a type of file that can be attached.`,
  uploadFailed: (name: string) => `“${name}” could not be uploaded.`,
  dictate: "Dictate",
  listening: "Listening",
  finishDictation: "Finish dictation",
  discardDictation: "Discard dictation",
  transcribing: "Turning speech into text",
  noMicrophone: "No microphone was found.",
  microphoneBlocked: "The microphone is blocked. Allow it in the browser’s settings.",
  nothingHeard: "Nothing was heard.",
  details: "Show details",
  wrongFormat: "Please use the format that is asked for.",
  questions: "Questions for you",
  sendAnswers: "Send answers",
  skip: "Skip",
  skipped: "Skipped",
  ownAnswer: "Another answer",
  drawing: "Making the image",
  searching: (query: string) => `Searching the docs for “${query}”`,
  searched: (query: string) => `Searched the docs for “${query}”`,
  thought: (seconds: number) => `Thought for ${seconds} s`,
  reasoning: "Thinking it through",
  worked: (seconds: number) => `Worked for ${seconds} s`,
};

export type LaterStrings = typeof laterEnglish;

/** Those of the language that is spoken now; only English comes in two pieces. */
export function later(): LaterStrings {
  return strings === english ? laterEnglish : (strings as Language);
}
