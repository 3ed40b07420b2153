// neo4j-reply.js - what Neo4j's reply means. Part of both workflows.
//
// The status never decides: 200 comes with errors too. Listed codes are about a value (422: memferry makes a dead
// letter of the memory), or may be the record's (500: tried again later); any other is not the memory's fault
// (503 with Retry-After), which is how an unknown code can cost no memory.
const VALUE = ['Neo.ClientError.Statement.TypeError', 'Neo.ClientError.Statement.ArgumentError',
               'Neo.ClientError.Schema.ConstraintValidationFailed', 'Neo.ClientError.Schema.TokenNameError',
               'Neo.ClientError.Schema.TokenLengthError', 'Neo.ClientError.Request.InvalidFormat'];
const RECORD = ['Neo.DatabaseError.Statement.ExecutionFailed', 'Neo.DatabaseError.General.UnknownError',
                'Neo.TransientError.General.MemoryPoolOutOfMemoryError',
                'Neo.TransientError.General.TransactionMemoryLimit',
                'Neo.TransientError.General.TransactionOutOfMemoryError',
                'Neo.TransientError.General.OutOfMemoryError'];
const AGAIN = ['Neo.TransientError.Transaction.DeadlockDetected', 'Neo.TransientError.Transaction.LockClientStopped'];
const NO_INDEX = 'Neo.ClientError.Schema.IndexNotFound';
const TOO_LARGE = 'Property value is too large to index';
const ROUNDS_MAX = 6;

const answer = (status, body) => ({ next: 'answer', status, body });
const later = (error, retryAfter) =>
  ({ next: 'later', status: 503, retryAfter, body: { status: 'unavailable', error } });

function parsed(text) {
  try {
    return typeof text === 'string' ? JSON.parse(text) : text;
  } catch (malformed) {
    return undefined;
  }
}

// What an error of Neo4j's asks for; `item` is what the workflow carries.
function judge({ code, message }, item) {
  const line = `Neo4j: ${code}: ${String(message).split('\n')[0].slice(0, 240)}`;
  if (code === NO_INDEX) return { ...item, next: 'schema', schemaTries: item.schemaTries + 1 };
  if (VALUE.includes(code) || (RECORD.includes(code) && String(message).startsWith(TOO_LARGE)))
    return answer(422, { status: 'rejected', error: line });
  if (RECORD.includes(code)) return answer(500, { status: 'failed', error: line });
  if (AGAIN.includes(code)) return { ...item, next: 'again', gone: item.gone };
  return later(line, 5);
}

// The first row of the last statement by `row(columns)`, or what has to be done instead.
function outcome(reply, item, row) {
  const body = parsed(reply.body ?? reply.data);
  const error = body?.errors?.[0];
  const columns = body?.results?.at(-1)?.data?.[0]?.row;
  let found;
  if (error !== undefined) found = judge(error, item);
  else if (columns !== undefined) found = row(columns);
  else if (reply.statusCode === undefined) found = later(`Neo4j cannot be reached (${reply.error?.code ?? 'no reply'})`, 5);
  else found = later(`Neo4j answered ${reply.statusCode}, but not as Neo4j does: is NEO4J_HTTP_URL right?`, 30);
  if (['again', 'schema'].includes(found.next)) found.round = item.round + 1;
  return found.round > ROUNDS_MAX ? later('others keep changing it in Neo4j', 1) : found;
}
