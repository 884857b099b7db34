-- A store as spot-mirror 0.1 wrote it: frozen, so that what is out there can always be opened.
CREATE TABLE _sqlite_migrations (
    id INTEGER PRIMARY KEY,
    migration_set TEXT,
    name TEXT,
    applied_at TEXT
);
CREATE UNIQUE INDEX idx__sqlite_migrations_migration_set_name ON _sqlite_migrations (migration_set, name);
INSERT INTO _sqlite_migrations VALUES (1, 'records', '0001-tables', '2026-01-01 00:00:00.000000+00:00');
CREATE TABLE customer (
    key INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    added INTEGER NOT NULL
) STRICT;
CREATE TABLE licence (
    customer INTEGER NOT NULL REFERENCES customer (key),
    product TEXT NOT NULL,
    channels TEXT NOT NULL,
    valid_from TEXT NOT NULL,
    valid_until TEXT,
    installations INTEGER NOT NULL,
    PRIMARY KEY (customer, product)
) STRICT, WITHOUT ROWID;
CREATE TABLE installation (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    customer INTEGER NOT NULL REFERENCES customer (key),
    request BLOB NOT NULL,
    enrolled INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    UNIQUE (customer, request)
) STRICT;
CREATE UNIQUE INDEX installation_short ON installation (substr(id, 1, 8));
CREATE TABLE content (
    key INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    components TEXT NOT NULL
) STRICT;
CREATE TABLE line (
    key INTEGER PRIMARY KEY,
    installation INTEGER NOT NULL REFERENCES installation (key),
    content INTEGER NOT NULL REFERENCES content (key),
    first INTEGER NOT NULL,
    last INTEGER NOT NULL
) STRICT;
CREATE INDEX line_installation ON line (installation);
CREATE TABLE marker (number INTEGER NOT NULL) STRICT;
INSERT INTO marker VALUES (0);
UPDATE marker SET number = 3;
INSERT INTO customer VALUES (1, 'acme', 1772366400);
INSERT INTO licence VALUES (1, 'sdk', 'beta stable', '2026-01-01', '2026-12-31', 3);
INSERT INTO installation VALUES (1, '7k2m9xq40gct31vz', 1, x'30', 1772366400, 1772366400);
INSERT INTO content VALUES (1, x'01', '{"sdk/botocore":"1.40.0"}');
INSERT INTO line VALUES (1, 1, 1, 1772366400, 1772366400);
