-- How much of a node's text its span of the document explains; nobody wrote it down before.

ALTER TABLE nodes ADD COLUMN explained REAL NOT NULL DEFAULT 1.0;
