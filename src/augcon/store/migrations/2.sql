-- Replies are compressed, and what was spent is counted as it is written.

UPDATE journal SET reply = compressed_choices(reply) WHERE endpoint != 'embedding';
-- An empty vector was written as the text [], which is no row of 32-bit floats.
UPDATE journal SET reply = x'' WHERE endpoint = 'embedding' AND reply = CAST('[]' AS BLOB);

CREATE TABLE spent (
    calls INTEGER NOT NULL,
    unusable INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    embeddings INTEGER NOT NULL,
    embedding_tokens INTEGER NOT NULL,
    journal_bytes INTEGER NOT NULL
);
INSERT INTO spent SELECT
    COUNT(*),
    COALESCE(SUM(1 - accepted), 0),
    COALESCE(SUM(prompt_tokens), 0),
    COALESCE(SUM(completion_tokens), 0),
    COALESCE(SUM(endpoint = 'embedding'), 0),
    COALESCE(SUM(prompt_tokens) FILTER (WHERE endpoint = 'embedding'), 0),
    COALESCE(SUM(LENGTH(reply)), 0)
FROM journal;
CREATE TRIGGER count_spent AFTER INSERT ON journal BEGIN
    UPDATE spent SET
        calls = calls + 1,
        unusable = unusable + 1 - NEW.accepted,
        prompt_tokens = prompt_tokens + NEW.prompt_tokens,
        completion_tokens = completion_tokens + NEW.completion_tokens,
        embeddings = embeddings + (NEW.endpoint = 'embedding'),
        embedding_tokens =
            embedding_tokens + NEW.prompt_tokens * (NEW.endpoint = 'embedding'),
        journal_bytes = journal_bytes + LENGTH(NEW.reply);
END;
