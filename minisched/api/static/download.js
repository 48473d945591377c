/** A file from the API: by fetch, for a plain link cannot carry the token. */
import { errorOf, token } from "./api.js";

const BASE = "/api/scheduler";
const LARGE = 64 * 1024 * 1024; // bytes; beyond it the file is written as it comes, where the browser can

/** Fetches it and saves it as `name`; `tell(bytes)` as it goes on. Gives the bytes; throws ApiError, AbortError and others. */
export async function download(path, name, tell, signal) {
  const response = await fetch(BASE + path, { headers: { Authorization: `Bearer ${token()}` }, cache: "no-store", credentials: "omit", signal });
  if (!response.ok) throw await errorOf(response);
  const large = Number(response.headers.get("Content-Length")) > LARGE && "showSaveFilePicker" in window;
  const sink = large ? await fileSink(name) : blobSink(name);
  const reader = response.body.getReader();
  let size = 0;
  let told = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      await sink.write(value);
      size += value.length;
      if (size - told > 1e6) tell((told = size));
    }
  } catch (error) {
    await sink.drop();
    throw error;
  }
  await sink.close();
  return size;
}

async function fileSink(name) {
  const handle = await window.showSaveFilePicker({ suggestedName: name });
  const file = await handle.createWritable();
  return { write: (bytes) => file.write(bytes), close: () => file.close(), drop: () => file.abort() };
}

function blobSink(name) {
  let parts = [];
  return {
    write: (bytes) => void parts.push(bytes),
    drop: () => void (parts = []),
    close() {
      const url = URL.createObjectURL(new Blob(parts, { type: "application/octet-stream" }));
      const link = document.createElement("a");
      link.href = url;
      link.download = name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), 60000);
    },
  };
}
