// embed-statement.js - the vectors that came, as a request to Neo4j; none ends the workflow until it runs again.
const { memories } = $('Texts').first().json;
const reply = $input.first().json;
const found = reply.statusCode === 200 ? reply.body?.embeddings ?? [] : [];
const write = __TEXT_OF("embed.cypher")__;

const rows = memories.map(({ id, stamp, origin }, i) => ({ id, stamp, origin, vector: vectorText(found[i]) }))
  .filter(({ vector }) => vector !== undefined)
  .map(({ id, stamp, origin, vector }) =>
    `{"id":${JSON.stringify(id)},"stamp":${stamp},"origin":${JSON.stringify(origin)},"set":${readyText(vector)}}`);
if (rows.length === 0) return [];
const statement = `{"statement":${JSON.stringify(write)},"parameters":{"rows":[${rows.join()}]}}`;
return [{ json: { request: `{"statements":[${statement}]}` } }];
