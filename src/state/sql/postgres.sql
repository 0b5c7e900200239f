-- Keys are compared byte by byte, as in SQLite, whatever the locale of the database.

CREATE TABLE state (id TEXT NOT NULL, since BIGINT NOT NULL, all_revoked BOOLEAN NOT NULL);
CREATE TABLE revoked_accounts (name TEXT COLLATE "C" PRIMARY KEY, generation BIGINT NOT NULL, at BIGINT NOT NULL);
CREATE TABLE revoked_tokens (id TEXT COLLATE "C" PRIMARY KEY, at BIGINT NOT NULL);

-- What has changed, in the order in which it was stored: each replica reads what is behind the last one that it knows.
CREATE TABLE changes (
    sequence BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    mark TEXT NOT NULL DEFAULT md5(random()::text || clock_timestamp()::text)
);

CREATE TABLE account_claims (
    digest BYTEA PRIMARY KEY,
    account TEXT COLLATE "C" NOT NULL,
    claims BYTEA NOT NULL,
    until BIGINT NOT NULL,
    bytes BIGINT NOT NULL
);
CREATE INDEX account_claims_bytes ON account_claims (account, bytes);
CREATE INDEX account_claims_until ON account_claims (until);

CREATE TABLE personal_tokens (
    id TEXT COLLATE "C" PRIMARY KEY,
    sha256 TEXT NOT NULL,
    account TEXT NOT NULL,
    source TEXT NOT NULL,
    claims TEXT,
    person TEXT,
    scopes TEXT NOT NULL,
    comment TEXT NOT NULL,
    made BIGINT NOT NULL,
    ends BIGINT NOT NULL,
    used BIGINT NOT NULL,
    state TEXT NOT NULL,
    generation BIGINT NOT NULL
);

CREATE TABLE sign_ins (
    name TEXT COLLATE "C" PRIMARY KEY,
    section TEXT COLLATE "C" NOT NULL,
    provider TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    account TEXT NOT NULL,
    labels TEXT NOT NULL,
    settings TEXT NOT NULL,
    confirmed_at BIGINT NOT NULL,
    ended TEXT,
    secret TEXT
);
CREATE INDEX sign_ins_person ON sign_ins (section, provider, subject);

CREATE TABLE pushed_tags (
    repository TEXT COLLATE "C" NOT NULL,
    tag TEXT COLLATE "C" NOT NULL,
    digest TEXT NOT NULL,
    at BIGINT NOT NULL,
    is_exact BOOLEAN NOT NULL,
    PRIMARY KEY (repository, tag)
);
CREATE INDEX pushed_tags_at ON pushed_tags (repository, at);

CREATE TABLE activity (
    repository TEXT COLLATE "C" NOT NULL,
    reference TEXT COLLATE "C" NOT NULL,
    pushed_at BIGINT,
    pushed_by TEXT,
    digest TEXT,
    pulled_at BIGINT,
    pulled_by TEXT,
    asked_at BIGINT,
    asked_by TEXT,
    days BYTEA NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (repository, reference)
);
CREATE INDEX activity_at ON activity (at);
CREATE INDEX activity_of_repository ON activity (repository, at);
CREATE TABLE activity_since (scope TEXT COLLATE "C" PRIMARY KEY, at BIGINT NOT NULL);
CREATE TABLE activity_run (latest BIGINT NOT NULL, closed BIGINT NOT NULL);

-- The replicas that run, with the last time at which each was heard of, by the clock of this server, and the time from
-- which on it was heard of without a gap. `frozen` is the id of the freeze in which no write passes there, `cut_off` the
-- number of writes that it has cut off.
CREATE TABLE replicas (
    name TEXT COLLATE "C" PRIMARY KEY,
    heard_at BIGINT NOT NULL,
    since BIGINT NOT NULL,
    frozen TEXT,
    cut_off BIGINT NOT NULL DEFAULT 0
);

-- The freezes of all replicas, by the clock of this server; one has not ended, at most. `is_held` once no write passes
-- anywhere. Those that have ended stay for two days: a replica that knows one which is not here knows that the database
-- was lost or restored.
CREATE TABLE freezes (
    id TEXT COLLATE "C" PRIMARY KEY,
    drains_until BIGINT NOT NULL,
    until BIGINT NOT NULL,
    is_held BOOLEAN NOT NULL
);

-- Wrong passwords that the replicas tell each other, as digests under a key of theirs.
CREATE TABLE wrong_passwords (
    sequence BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    replica TEXT NOT NULL,
    name TEXT NOT NULL,
    client TEXT NOT NULL,
    guess TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX wrong_passwords_at ON wrong_passwords (at);

-- Pushes of manifests that are with a registry, or whose answer was lost. Those of write-once tags name the tag: all
-- rows of one have the same digest. Others have an empty tag.
CREATE TABLE manifest_pushes (
    repository TEXT COLLATE "C" NOT NULL,
    tag TEXT COLLATE "C" NOT NULL,
    holder TEXT COLLATE "C" NOT NULL,
    digest TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (repository, tag, holder)
);
CREATE INDEX manifest_pushes_holder ON manifest_pushes (holder);

-- The manifests that were pushed in the last day: one that no tag reaches yet is not pruned.
CREATE TABLE pushed_manifests (
    repository TEXT COLLATE "C" NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (repository, digest)
);

-- Repositories in which manifests are being deleted: no push begins there.
CREATE TABLE manifest_deletions (
    repository TEXT COLLATE "C" PRIMARY KEY,
    holder TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX manifest_deletions_holder ON manifest_deletions (holder);

-- Sessions that were ended before their time, until they would be over. Without an id: all that the account began until
-- then.
CREATE TABLE ended_sessions (
    key TEXT COLLATE "C" PRIMARY KEY,
    account TEXT COLLATE "C" NOT NULL,
    id TEXT,
    issued_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX ended_sessions_account ON ended_sessions (account);

-- Records that one replica at a time writes: the holder, until then by the clock of this server. Sealed.
CREATE TABLE leased_records (
    name TEXT COLLATE "C" PRIMARY KEY,
    content TEXT,
    holder TEXT NOT NULL,
    until BIGINT NOT NULL
);

-- Programs that wait for their logins at any replica, until then by the clock of this server. Requests and answers are
-- sealed. The session is that of an answer in the affirmative, until it ends.
CREATE TABLE device_logins (
    id TEXT COLLATE "C" PRIMARY KEY,
    user_code TEXT COLLATE "C" NOT NULL UNIQUE,
    request TEXT NOT NULL,
    until BIGINT NOT NULL,
    session TEXT COLLATE "C",
    answer TEXT
);
CREATE INDEX device_logins_until ON device_logins (until);
CREATE INDEX device_logins_session ON device_logins (session);
