// memory-vector.js - Ollama's reply as the vector of the memory, of length 1.
//
// Whatever is wrong with the reply, the memory goes on without a vector, marked pending. memferry's own embedder,
// or the next change of the memory, brings one.
const memory = $('Check').first().json;
const reply = $input.first().json;
const dims = Number($env.MEMORY_DIMS || 768);

const vector = reply.statusCode === 200 ? reply.body?.embeddings?.[0] : undefined;
const length = Array.isArray(vector) ? Math.hypot(...vector) : 0;
const good = vector?.length === dims && vector.every(Number.isFinite) && length > 0;

// Nine digits are exact for the float32 that it is; with a fraction it is a float in Neo4j too.
function decimal(x) {
  const digits = String(Number(Math.fround(x / length).toPrecision(9)));
  return /[.e]/.test(digits) ? digits : `${digits}.0`;
}

const properties = good
  ? `{"embedding":[${vector.map(decimal).join()}],"embedding_model":${JSON.stringify($env.OLLAMA_MODEL || 'nomic-embed-text')},` +
    '"embedding_state":"ready"}'
  : '{"embedding":null,"embedding_model":null,"embedding_state":"pending"}';
return [{ json: { ...memory, text: '', told: good, vector: properties } }];
