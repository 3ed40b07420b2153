// vectors.js - vectors of Ollama's as properties of memories.

// Nine digits are exact for the float32 that it is; with a fraction it is a float in Neo4j too.
function decimal(x) {
  const digits = String(Number(Math.fround(x).toPrecision(9)));
  return /[.e]/.test(digits) ? digits : `${digits}.0`;
}

// Of length 1, as text; undefined when it is no vector, or of other dimensions.
function vectorText(vector) {
  const length = Array.isArray(vector) ? Math.hypot(...vector) : 0;
  if (!(length > 0) || length === Infinity || vector.length !== Number($env.MEMORY_DIMS || 768)) return undefined;
  return `[${vector.map((x) => decimal(x / length)).join()}]`;
}

const readyText = (vector) =>
  `{"embedding":${vector},"embedding_model":${JSON.stringify($env.OLLAMA_MODEL || 'nomic-embed-text')},` +
  '"embedding_state":"ready"}';
