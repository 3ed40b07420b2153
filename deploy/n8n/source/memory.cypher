MERGE (m:Memory {id: $row.id})
ON MATCH SET m.id = $row.id // takes the lock before m.stamp is read
WITH m, $row AS row,
  [w IN coalesce(m.memferry_webhooks, []) WHERE toInteger(split(w, ' ')[0]) > $now - 900000] AS recent
WITH m, row, [w IN recent WHERE split(w, ' ')[1] <> $webhook] AS others,
  any(w IN recent WHERE split(w, ' ')[1] = $webhook) AS repeated
WITH m, row, others, repeated,
  m.stamp IS NULL OR row.set.stamp > m.stamp
    OR (row.set.stamp = m.stamp AND row.set.origin >= coalesce(m.origin, '')) AS wins,
  [key IN coalesce(m.memferry_keys, []) WHERE NOT key IN row.known] AS gone,
  NOT row.told AND m.embedding IS NOT NULL AND m.content = row.set.content AS keeps
WITH m, row, others, repeated, wins, gone, keeps, wins AND NOT repeated AND size(gone) = 0 AS takes
FOREACH (_ IN CASE WHEN takes THEN [1] ELSE [] END |
  SET m += row.set SET m.memferry_keys = row.keys)
FOREACH (_ IN CASE WHEN takes AND NOT keeps THEN [1] ELSE [] END | SET m += row.vector)
FOREACH (_ IN CASE WHEN takes OR repeated THEN [1] ELSE [] END |
  SET m.memferry_webhooks = (others + [toString($now) + ' ' + $webhook])[-16..])
FOREACH (old IN CASE WHEN takes
    THEN [(s:Session)-[r:REMEMBERED]->(m)
          WHERE row.set.session_id IS NULL OR s.id <> row.set.session_id | r]
    ELSE [] END | DELETE old)
FOREACH (_ IN CASE WHEN takes AND row.set.session_id IS NOT NULL
    AND NOT (m)<-[:REMEMBERED]-(:Session {id: row.set.session_id})
    THEN [1] ELSE [] END |
  MERGE (s:Session {id: row.set.session_id})
  CREATE (s)-[:REMEMBERED]->(m))
RETURN repeated, wins, gone, m.embedding_state
