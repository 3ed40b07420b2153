// memory-vector.js - Ollama's reply as the vector of the memory.
//
// Whatever is wrong with the reply, the memory goes on without a vector, marked pending: memferry's own embedder, the
// workflow memory-embed or the next change of the memory brings one.
const memory = $('Check').first().json;
const reply = $input.first().json;
const vector = reply.statusCode === 200 ? vectorText(reply.body?.embeddings?.[0]) : undefined;
const pending = '{"embedding":null,"embedding_model":null,"embedding_state":"pending"}';
return [{ json: { ...memory, text: '', told: vector !== undefined,
                  vector: vector === undefined ? pending : readyText(vector) } }];
