MATCH (m:Memory)
WHERE m.embedding_state = 'pending' AND m.embedding IS NULL AND m.deleted_ms IS NULL
RETURN m.id, m.content, m.stamp, m.origin
ORDER BY rand() LIMIT 32 // by chance, so that no few stand in the way of others
