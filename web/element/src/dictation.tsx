/** Speech instead of typing: recorded here, turned into text by the server. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import { later } from "./later.js";
import type { ComposerPartProps } from "./composer.js";
import { Icon } from "./icons.js";
import { Glyph } from "./widgets/glyphs.js";
import { insertText } from "./typing.js";
import { wordsOf } from "./strings.js";

const TYPES = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus"];
const BITS_PER_SECOND = 32_000;
/** A recording that nobody ends stays within what servers take. */
const MAX_SECONDS = 600;

interface Recording {
  recorder: MediaRecorder;
  parts: Blob[];
}

export function Dictation({ actions, area }: Pick<ComposerPartProps, "actions" | "area">) {
  const [phase, setPhase] = useState<"idle" | "recording" | "transcribing">("idle");
  const [seconds, setSeconds] = useState(0);
  const recording = useRef<Recording | null>(null);
  const done = useRef<HTMLButtonElement>(null);
  const mounted = useRef(true);
  const asking = useRef(false);
  useLayoutEffect(() => {
    // While the browser asked for permission the reader may have gone on typing.
    const { activeElement } = area().getRootNode() as ShadowRoot;
    if (phase === "recording" && !activeElement) done.current?.focus();
  }, [phase]);
  useEffect(() => {
    if (phase !== "recording") return;
    const timer = setInterval(() => {
      setSeconds((before) => before + 1);
    }, 1000);
    return () => {
      clearInterval(timer);
    };
  }, [phase]);
  useEffect(() => {
    if (phase === "recording" && seconds >= MAX_SECONDS) void finish();
  }, [seconds]);
  useEffect(
    () => () => {
      mounted.current = false;
      void end(recording.current);
    },
    [],
  );

  const start = async () => {
    // Pressed again before the browser has its permission: one recording would never be ended.
    if (asking.current) return;
    asking.current = true;
    actions.onChange({ problems: [] });
    try {
      recording.current = await record();
    } catch (error) {
      const { name } = error as Error;
      const missing = name === "NotFoundError" || name === "NotReadableError";
      const problem = missing ? later().noMicrophone : later().microphoneBlocked;
      actions.onChange({ problems: [problem] });
      actions.onError(error);
      return;
    } finally {
      asking.current = false;
    }
    // The reader may have left while the browser asked for permission.
    if (!mounted.current) return void end(recording.current);
    setSeconds(0);
    setPhase("recording");
  };
  const discard = () => {
    void end(recording.current);
    setPhase("idle");
    area().focus();
  };
  const finish = async () => {
    setPhase("transcribing");
    area().focus();
    try {
      const text = await actions.transcribe(await end(recording.current));
      if (text) insertText(area(), text);
      else actions.onChange({ problems: [later().nothingHeard] });
    } catch (error) {
      actions.onChange({ problems: [wordsOf(error as Error)] });
      actions.onError(error);
    }
    if (mounted.current) setPhase("idle");
  };

  // Browsers offer no microphone to pages without TLS.
  if (!("mediaDevices" in navigator) || typeof MediaRecorder === "undefined") return null;
  if (phase === "idle") {
    return (
      <button
        type="button"
        class="icon-button"
        aria-label={later().dictate}
        title={later().dictate}
        onClick={() => void start()}
      >
        <Glyph name="microphone" />
      </button>
    );
  }
  return (
    <div class="dictation">
      {phase === "recording" && <span class="dot" />}
      <span role="status">{phase === "recording" ? later().listening : later().transcribing}</span>
      {phase === "recording" && (
        <>
          <span class="clock" aria-hidden="true">
            {Math.floor(seconds / 60)}:{String(seconds % 60).padStart(2, "0")}
          </span>
          <button
            type="button"
            class="icon-button"
            aria-label={later().discardDictation}
            title={later().discardDictation}
            onClick={discard}
          >
            <Icon name="close" />
          </button>
          <button
            type="button"
            class="icon-button"
            ref={done}
            aria-label={later().finishDictation}
            title={later().finishDictation}
            onClick={() => void finish()}
          >
            <Icon name="check" />
          </button>
        </>
      )}
    </div>
  );
}

async function record(): Promise<Recording> {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type));
  const recorder = new MediaRecorder(stream, {
    audioBitsPerSecond: BITS_PER_SECOND,
    ...(mimeType && { mimeType }),
  });
  const parts: Blob[] = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  recorder.start();
  return { recorder, parts };
}

/** Lets go of the microphone and gives what was recorded. */
async function end(recording: Recording | null): Promise<Blob> {
  if (!recording) return new Blob();
  const { recorder, parts } = recording;
  if (recorder.state !== "inactive") {
    const stopped = new Promise((resolve) => {
      recorder.onstop = resolve;
    });
    recorder.stop();
    await stopped;
  }
  for (const track of recorder.stream.getTracks()) track.stop();
  return new Blob(parts, { type: recorder.mimeType });
}

export function toBase64(recording: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve((reader.result as string).split(",")[1] ?? "");
    reader.onerror = () => reject(reader.error ?? new Error("The recording can't be read."));
    reader.readAsDataURL(recording);
  });
}
