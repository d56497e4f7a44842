// Runs script.mjs as a page would: in a realm of its own that has the language and what of the web's API is used, and nothing
// of Node's; 'ring3' is dist/browser.js. Prints what came out as one line of JSON. Needs node --experimental-vm-modules.
// Usage: page.mjs RECORDING BUSYBOX
import { readFileSync } from 'node:fs';
import { createContext, runInContext, SourceTextModule } from 'node:vm';

const files = new URL('../../', import.meta.url);
const [recording, busybox] = process.argv.slice(2);
const out = {};
const page = createContext({
  AbortController, Blob, DecompressionStream, MessageChannel, ReadableStream, Response, TextDecoder, TextEncoder, URL,
  WritableStream, clearInterval, clearTimeout, crypto, performance, queueMicrotask, setInterval, setTimeout,
  // Node's own knows no files; a page's server would.
  fetch: (url) => Promise.resolve(new Response(readFileSync(new URL(url)))),
  out,
}); // prettier-ignore
/** Bytes of the page's own. */
const bytes = (path) => runInContext('(b) => new Uint8Array(b)', page)(readFileSync(path));
const guest = (name) => bytes(new URL(`guests/prebuilt/${name}`, files));
page.given = {
  guests: {
    x86: guest('x86_64/stdio-musl'),
    a64: guest('aarch64/stdio-musl'),
    threads: guest('x86_64/racy-musl'),
  },
  recorded: bytes(recording),
  busybox: busybox ? bytes(busybox) : null,
};

async function load(url) {
  const module = new SourceTextModule(readFileSync(url, 'utf8'), {
    context: page,
    identifier: url.href,
    initializeImportMeta: (meta) => (meta.url = url.href),
  });
  await module.link((name) => {
    if (name !== 'ring3') throw new Error(`a page has no module '${name}'`);
    return load(new URL('dist/browser.js', files));
  });
  return module;
}

const script = await load(new URL('script.mjs', import.meta.url));
await script.evaluate();
console.log(JSON.stringify(out));
