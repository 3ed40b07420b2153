// alert-check.js - verifies a request and checks the alert in it.
const TEXT_MAX = 64 * 1024;
const REQUIRED = ['rule', 'severity'];
const TEXTS = ['session_id', 'peer_command', 'statement', 'summary', 'undo'];

function checkSamples(ids) {
  if (!Array.isArray(ids) || ids.length > 1024) throw reject(422, 'alert.sample_ids', 'must be a list of at most 1024');
  ids.forEach((_, i) => checkText(ids, i, 1, 256, `alert.sample_ids[${i}]`));
  return ids;
}

// An absent one is no property at all: null removes it.
function checkFields(alert) {
  const fields = {};
  for (const name of REQUIRED) fields[name] = checkText(alert, name, 1, 256, `alert.${name}`);
  for (const name of TEXTS)
    fields[name] = has(alert, name) ? checkText(alert, name, 0, TEXT_MAX, `alert.${name}`) : null;
  fields.at_ms = checkInt(alert, 'at_ms', 'alert.at_ms');
  fields.count = has(alert, 'count') ? checkInt(alert, 'count', 'alert.count') : 1;
  fields.peer_pid = has(alert, 'peer_pid') ? checkInt(alert, 'peer_pid', 'alert.peer_pid') : null;
  fields.sample_ids = has(alert, 'sample_ids') ? checkSamples(alert.sample_ids) : [];
  return fields;
}

async function check(helpers) {
  const { body } = await receive(helpers);
  checkOp(body, ['alert'], ['put', 'delete']);
  if (!isObject(body.alert)) throw reject(422, 'alert', 'must be an object');
  const id = checkText(body.alert, 'id', 1, 256, 'alert.id');
  const fields = checkFields(body.alert);
  return [{ json: { next: 'store', id, round: 0, schemaTries: 0, summary: fields.summary, fields: JSON.stringify(fields) } }];
}

try {
  return await check(this.helpers);
} catch (thrown) {
  if (thrown instanceof Answer) return thrown.items;
  throw thrown;
}
