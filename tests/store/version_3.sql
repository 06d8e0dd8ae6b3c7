-- The schema of version 3.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);

CREATE TABLE journal (
    identity TEXT PRIMARY KEY,
    model TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    accepted INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    reply BLOB NOT NULL
);

-- What the journal holds, in one row, for a sum over all of it takes ever longer.
CREATE TABLE spent (
    calls INTEGER NOT NULL,
    unusable INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    embeddings INTEGER NOT NULL,
    embedding_tokens INTEGER NOT NULL,
    journal_bytes INTEGER NOT NULL
);
INSERT INTO spent VALUES (0, 0, 0, 0, 0, 0, 0);
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

CREATE TABLE steps (identity TEXT PRIMARY KEY, name TEXT NOT NULL, output TEXT NOT NULL);

CREATE TABLE documents (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    language TEXT NOT NULL,
    roots INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL
);

CREATE TABLE contexts (
    id TEXT PRIMARY KEY,
    position INTEGER NOT NULL,
    document_id TEXT NOT NULL,
    document TEXT NOT NULL,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    units INTEGER NOT NULL,
    language TEXT NOT NULL,
    text TEXT NOT NULL,
    quota INTEGER NOT NULL,
    passes INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX contexts_by_position ON contexts (position);

CREATE TABLE nodes (
    root_id TEXT NOT NULL,
    pass INTEGER NOT NULL,
    id TEXT NOT NULL,
    parent_id TEXT,
    depth INTEGER NOT NULL,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    units INTEGER NOT NULL,
    text TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    split_state TEXT NOT NULL,
    split_reason TEXT NOT NULL,
    split_detail TEXT NOT NULL,
    explained REAL NOT NULL DEFAULT 1.0,
    PRIMARY KEY (root_id, pass, id)
) WITHOUT ROWID;

CREATE TABLE questions (
    root_id TEXT NOT NULL,
    pass INTEGER NOT NULL,
    id TEXT NOT NULL,
    context_id TEXT NOT NULL,
    text TEXT NOT NULL,
    granularity TEXT NOT NULL,
    score REAL NOT NULL,
    place INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (root_id, pass, id)
) WITHOUT ROWID;

CREATE TABLE answers (
    root_id TEXT NOT NULL,
    question_id TEXT NOT NULL,
    pair_id TEXT NOT NULL,
    text TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    verification TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (root_id, question_id)
) WITHOUT ROWID;
