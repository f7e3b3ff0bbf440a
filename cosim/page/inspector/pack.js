/* Blocks of numbers and text, as cosim/page/pack.py writes them. */

const KINDS = { f8: Float64Array, f4: Float32Array, i4: Int32Array, u1: Uint8Array };

/** What a block of this page holds; null where there is no such block. Its text is let go of once it is read. */
async function unpack(name) {
  const block = document.getElementById(`data-${name}`);
  if (!block) return null;
  const text = atob(block.textContent);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const body = await inflate(bytes);
  const length = new DataView(body).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(body, 4, length)));
  block.remove();
  return revive(header, body, Math.ceil((length + 4) / 8) * 8);
}

/** The bytes that were deflated. */
function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

/** The header with its arrays in their places; an array knows its `shape`. */
function revive(value, body, start) {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map((inner) => revive(inner, body, start));
  if (value.$) {
    const [kind, offset, shape] = value.$;
    const size = shape.reduce((product, extent) => product * extent, 1);
    return Object.assign(new KINDS[kind](body, start + offset, size), { shape });
  }
  for (const name of Object.keys(value)) value[name] = revive(value[name], body, start);
  return value;
}
