MERGE (a:MemoryAlert {id: $id})
ON CREATE SET a.received_ms = $now
ON MATCH SET a.id = $id // takes the lock before a.count is read
WITH a, $set.count > coalesce(a.count, 0) AS news
FOREACH (_ IN CASE WHEN news THEN [1] ELSE [] END | SET a += $set)
RETURN news, a.handed_on_ms IS NULL AS waits
