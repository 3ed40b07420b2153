// alert-statement.js - the request to Neo4j, as text.
const told = $input.first().json;
const alert = told.fields === undefined ? $('Outcome').first().json : told; // comes by way of the schema
const indexed = 'CALL db.awaitIndex("memory_alert_id", 5)'; // fails when the schema is not there: then it is made
const write = __TEXT_OF("alert.cypher")__;

const parameters = `{"id":${JSON.stringify(alert.id)},"now":${Date.now()},"set":${alert.fields}}`;
const statements = [`{"statement":${JSON.stringify(write)},"parameters":${parameters}}`];
if (alert.schemaTries < 3) statements.unshift(`{"statement":${JSON.stringify(indexed)}}`);
return [{ json: { ...alert, request: `{"statements":[${statements.join()}]}` } }];
