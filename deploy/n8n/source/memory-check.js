// memory-check.js - verifies a request, checks the memory in it, and makes of it what Neo4j will be told.
//
// Goes on to `embed` when a vector has to be made, else to `store`; what is wrong is answered: 4xx with the field's
// name for a memory that can never be stored.
const RESERVED = ['id', 'content', 'kind', 'tags', 'props', 'embedding', 'created_ms', 'updated_ms', 'deleted_ms',
                  'version', 'stamp', 'origin', 'session_id', 'embedding_state', 'embedding_model', 'memferry_keys',
                  'memferry_webhooks'];
const STATES = ['ready', 'pending', 'none'];
const MIB = 1024 * 1024;

function checkTags(tags) {
  if (!Array.isArray(tags) || tags.length > 256) throw reject(422, 'tags', 'must be a list of at most 256 strings');
  tags.forEach((_, i) => checkText(tags, i, 1, 256, `tags[${i}]`));
  return tags;
}

function checkProp(name, value) {
  const path = `props.${name}`;
  if (!isText(name) || name === '' || Buffer.byteLength(name) > 256)
    throw reject(422, 'props', 'has a name that is not 1 to 256 bytes of UTF-8 without NUL');
  if (RESERVED.includes(name)) throw reject(422, path, "is the name of a memory's own field");
  const types = Array.isArray(value) ? value.map(scalarType) : [scalarType(value)];
  if (types.length > 4096 || types.some((type) => type === null || type !== types[0]))
    throw reject(422, path, 'must be a bool, an integer of 64 bits, a finite float, a string, ' +
                            'or a list of at most 4096 of one of those');
  return value;
}

// Without a prototype: names such as __proto__ are names like any other.
function checkProps(given) {
  const props = Object.create(null);
  if (!isObject(given)) throw reject(422, 'props', 'must be an object');
  const names = Object.keys(given).filter((name) => given[name] !== null);
  if (names.length > 1024) throw reject(422, 'props', 'has more than 1024 names');
  for (const name of names) props[name] = checkProp(name, given[name]);
  return props;
}

// A list of floats in Neo4j holds no integer: 1 becomes 1.0, which is the same number.
function checkVector(vector) {
  const dims = Number(setting('MEMORY_DIMS') || 768);
  if (!Array.isArray(vector) || vector.length !== dims || !vector.every((x) => numberType(x) !== null))
    throw reject(422, 'embedding', `must be a list of ${dims} finite numbers`);
  return vector.map((x) => (numberType(x) === 'int' ? JSON.rawJSON(`${x.rawJSON}.0`) : x));
}

function checkFields(body, op) {
  const fields = Object.create(null);
  fields.content = checkText(body, 'content', 0, MIB);
  fields.kind = has(body, 'kind') ? checkText(body, 'kind', 1, 64) : 'note';
  fields.tags = has(body, 'tags') ? checkTags(body.tags) : [];
  for (const name of ['created_ms', 'updated_ms', 'version', 'stamp']) fields[name] = checkInt(body, name);
  fields.deleted_ms = has(body, 'deleted_ms') ? checkInt(body, 'deleted_ms') : null;
  if ((op === 'delete') !== (fields.deleted_ms !== null))
    throw reject(422, 'deleted_ms', 'must be there with the op delete, and with no other');
  fields.origin = checkText(body, 'origin', 1, 64);
  fields.session_id = has(body, 'session_id') ? checkText(body, 'session_id', 1, 64) : null;
  return fields;
}

// Properties of the vector, which the fields do without: those of a node with the same content may stay.
function givenVector(body) {
  const state = has(body, 'embedding_state') ? body.embedding_state : 'none';
  if (!STATES.includes(state)) throw reject(422, 'embedding_state', `must be one of: ${STATES.join(', ')}`);
  if (!has(body, 'embedding')) return { embedding: null, embedding_model: null, embedding_state: state };
  return {
    embedding: checkVector(body.embedding),
    embedding_model: has(body, 'embedding_model') ? checkText(body, 'embedding_model', 1, 256) : 'caller',
    embedding_state: 'ready',
  };
}

async function check(helpers) {
  const { id: webhook, body } = await receive(helpers);
  const op = checkOp(body, ['put', 'delete'], ['alert']);
  const id = checkText(body, 'id', 1, 256);
  const fields = checkFields(body, op);
  const props = has(body, 'props') ? checkProps(body.props) : Object.create(null);
  const vector = givenVector(body);
  const told = has(body, 'embedding');
  const embeds = !told && op === 'put' && fields.content.trim() !== '' && Boolean(setting('OLLAMA_URL'));
  if (!told && !embeds && vector.embedding_state === 'ready') vector.embedding_state = 'none'; // it has none here
  return [{ json: {
    next: embeds ? 'embed' : 'store',
    webhook, id, told, round: 0, schemaTries: 0, gone: [],
    text: embeds ? textToEmbed(fields.content) : '',
    keys: Object.keys(props),
    fields: JSON.stringify(fields),
    props: JSON.stringify(props),
    vector: JSON.stringify(vector),
  } }];
}

try {
  return await check(this.helpers);
} catch (thrown) {
  if (thrown instanceof Answer) return thrown.items;
  throw thrown;
}
