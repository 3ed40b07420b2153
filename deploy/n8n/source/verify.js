// verify.js - a request as memferry signs it: its secrets, signatures and time. Part of both workflows.
//
// Required are Standard Webhooks' three headers, since only they say when: webhook-id, webhook-timestamp and
// webhook-signature, whose "v1,<base64>" is HMAC-SHA256 of "id.timestamp.body". X-Signature-256 says less (it is
// the hash of the body alone), so it is not required, but has to be right if it is there. Only while a secret is being
// changed, which shows in several signatures, may it be by the one that is not known here.
//
// An Answer that is thrown ends the workflow with that answer: 401 for a request that nobody with a secret made
// now, 503 while n8n itself is not set up, so that memferry keeps what it has and tries again. No answer and no
// log ever holds a secret or a signature.
const TOLERANCE_S = 5 * 60;
const SECRETS = ['MEMORY_WEBHOOK_TOKEN', 'MEMORY_WEBHOOK_TOKEN_NEXT']; // two at once, while they are changed
const SIGNATURES_MAX = 16;                                             // of a webhook-signature that are looked at

class Answer {
  constructor(status, body, retryAfter) {
    this.items = [{ json: { next: retryAfter === undefined ? 'answer' : 'later', status, body, retryAfter } }];
  }
}

const refuse = (error) => new Answer(401, { status: 'refused', error });
const notSetUp = (error) => new Answer(503, { status: 'unavailable', error }, 30);
const reject = (status, field, error) => new Answer(status, { status: 'rejected', field, error: `${field} ${error}` });

function setting(name) {
  try {
    return $env[name];
  } catch (blocked) {
    throw notSetUp('n8n hides its environment from workflows: start it with N8N_BLOCK_ENV_ACCESS_IN_NODE=false');
  }
}

function openCrypto() {
  try {
    return require('crypto');
  } catch (blocked) {
    throw notSetUp('n8n keeps crypto from Code nodes: start it with NODE_FUNCTION_ALLOW_BUILTIN=crypto');
  }
}

// A secret is its bytes as they are, or base64 of them behind whsec_.
function secretBytes(name, text) {
  if (!text.startsWith('whsec_')) return Buffer.from(text, 'utf8');
  const base64 = text.slice('whsec_'.length);
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length === 0 || bytes.toString('base64').replace(/=+$/, '') !== base64.replace(/=+$/, ''))
    throw notSetUp(`${name} is not base64 behind whsec_`);
  return bytes;
}

function readSecrets() {
  const found = SECRETS.filter((name) => setting(name)).map((name) => secretBytes(name, setting(name)));
  if (found.length === 0) throw notSetUp('MEMORY_WEBHOOK_TOKEN is not set in the environment of n8n');
  return found;
}

// Whether one of the signatures is one of those wanted. All pairs are compared, each in constant time.
function anyEqual(crypto, given, wanted) {
  let equal = false;
  for (const one of given)
    for (const other of wanted) equal = (one.length === other.length && crypto.timingSafeEqual(one, other)) || equal;
  return equal;
}

const hmac = (crypto, secret, ...parts) =>
  parts.reduce((h, part) => h.update(part), crypto.createHmac('sha256', secret)).digest();

function verify(headers, raw) {
  const crypto = openCrypto();
  const secrets = readSecrets();
  if (!setting('NEO4J_HTTP_URL')) throw notSetUp('NEO4J_HTTP_URL is not set in the environment of n8n');
  const id = headers['webhook-id'], timestamp = headers['webhook-timestamp'];
  const signature = headers['webhook-signature'], hash = headers['x-signature-256'];

  if (typeof id !== 'string' || typeof timestamp !== 'string' || typeof signature !== 'string')
    throw refuse('webhook-id, webhook-timestamp and webhook-signature are all required');
  if (!/^[\x21-\x2d\x2f-\x7e]{1,128}$/.test(id) || !/^[0-9]{1,12}$/.test(timestamp)) // a dot would shift what is signed
    throw refuse('webhook-id or webhook-timestamp is malformed');
  const given = signature.split(' ', SIGNATURES_MAX).filter((s) => s.startsWith('v1,'));
  if (!anyEqual(crypto, given.map((s) => Buffer.from(s.slice('v1,'.length), 'base64')),
                secrets.map((secret) => hmac(crypto, secret, `${id}.${timestamp}.`, raw))))
    throw refuse('wrong signature: another secret, or another id, time or body');
  if (hash !== undefined && given.length === 1 &&
      !anyEqual(crypto, [Buffer.from(String(hash))],
                secrets.map((secret) => Buffer.from(`sha256=${hmac(crypto, secret, raw).toString('hex')}`))))
    throw refuse('wrong X-Signature-256: another secret, or another body');
  const away = Math.round(Date.now() / 1000) - Number(timestamp);
  if (Math.abs(away) > TOLERANCE_S)
    throw refuse(`webhook-timestamp is ${Math.abs(away)} s ${away > 0 ? 'old' : 'ahead'}, which is over ${TOLERANCE_S}: ` +
                 'sent again by somebody else, or one of the clocks is wrong');
  return id;
}

// Every number stays the text that it came as: 1.0 and 2^63-1 would not survive being JavaScript's.
function parse(raw) {
  const text = raw.toString('utf8');
  if (!Buffer.from(text, 'utf8').equals(raw)) throw reject(400, 'body', 'is not UTF-8');
  let body;
  try {
    body = JSON.parse(text, (key, value, { source }) => (typeof value === 'number' ? JSON.rawJSON(source) : value));
  } catch (malformed) {
    throw reject(400, 'body', 'is not JSON');
  }
  if (!isObject(body)) throw reject(400, 'body', 'is not a JSON object');
  return body;
}

const isObject = (v) => typeof v === 'object' && v !== null && !Array.isArray(v) && !JSON.isRawJSON(v);
const has = (object, name) => Object.prototype.hasOwnProperty.call(object, name) && object[name] !== null;

// { id: of the request, body: parsed }
async function receive(helpers) {
  const item = $input.first();
  const raw = item.binary?.data ? await helpers.getBinaryDataBuffer(0, 'data') : Buffer.alloc(0);
  const id = verify(item.json.headers, raw);
  return { id, body: parse(raw) };
}

// ---- values ----

const INT64_MIN = -(2n ** 63n), INT64_MAX = 2n ** 63n - 1n;

// 'int', 'float', or null for what no memory can hold.
function numberType(v) {
  if (!JSON.isRawJSON(v)) return null;
  if (!/^-?[0-9]+$/.test(v.rawJSON)) return Number.isFinite(Number(v.rawJSON)) ? 'float' : null;
  if (v.rawJSON.length > 20) return null;
  const n = BigInt(v.rawJSON);
  return n >= INT64_MIN && n <= INT64_MAX ? 'int' : null;
}

const isText = (v) => typeof v === 'string' && v.isWellFormed() && !v.includes('\0');

function scalarType(v) {
  if (typeof v === 'boolean') return 'bool';
  if (typeof v === 'string') return isText(v) ? 'string' : null;
  return numberType(v);
}

function checkText(object, name, min, max, path = name) {
  const v = object[name];
  if (!isText(v) || Buffer.byteLength(v) < min || Buffer.byteLength(v) > max)
    throw reject(422, path, `must be a string of ${min} to ${max} bytes of UTF-8 without NUL`);
  return v;
}

function checkInt(object, name, path = name) {
  if (numberType(object[name]) !== 'int') throw reject(422, path, 'must be an integer of 64 bits');
  return object[name];
}

// An op that is for the other workflow means a wrong url, which must not cost a memory: 404 blames the backend. One
// that nobody knows yet is answered and left alone.
function checkOp(body, mine, others) {
  const op = isObject(body.event) ? body.event.op : undefined;
  if (typeof op !== 'string') throw reject(422, 'event.op', 'must be a string');
  if (op === 'ping') throw new Answer(200, { status: 'pong' });
  if (others.includes(op))
    throw new Answer(404, { status: 'refused', error: `this webhook takes ${mine.join(' and ')}, not ${op}: is its url right?` });
  if (!mine.includes(op)) throw new Answer(200, { status: 'ignored' });
  return op;
}
