// memory-statement.js - the request to Neo4j, as text: so numbers arrive as they came, and names of properties are
// parameters like all else.
const told = $input.first().json;
const memory = told.fields === undefined ? $('Outcome').first().json : told; // comes by way of the schema
const indexed = 'CALL db.awaitIndex("memory_id", 5)'; // fails when the schema is not there: then it is made
const write = __TEXT_OF("memory.cypher")__;

const nulls = memory.gone.map((name) => `${JSON.stringify(name)}:null`);
const props = memory.props === '{}' ? [] : [memory.props.slice(1, -1)];
const set = [...nulls, memory.fields.slice(1, -1), ...props].join();
const row = `{"id":${JSON.stringify(memory.id)},"known":${JSON.stringify([...memory.keys, ...memory.gone])},` +
            `"keys":${JSON.stringify(memory.keys)},"told":${memory.told},"set":{${set}},"vector":${memory.vector}}`;
const parameters = `{"row":${row},"webhook":${JSON.stringify(memory.webhook)},"now":${Date.now()}}`;
const statements = [`{"statement":${JSON.stringify(write)},"parameters":${parameters}}`];
if (memory.schemaTries < 3) statements.unshift(`{"statement":${JSON.stringify(indexed)}}`);
return [{ json: { ...memory, request: `{"statements":[${statements.join()}]}` } }];
