-- The first schema. Units are in the column names; ids are 16 bytes, heads and hashes 32.
-- Rows of fact, award, ledger_entry, posting and refund are never changed once written.

CREATE TABLE station (
    only_row     INTEGER PRIMARY KEY CHECK (only_row = 1),
    station      TEXT NOT NULL,
    programme    TEXT NOT NULL,
    epoch        INTEGER NOT NULL,      -- incarnation of this file; a restore raises it
    created_at_ms INTEGER NOT NULL
) STRICT;

-- What the station knows of each nozzle's meter between two fuellings.
CREATE TABLE meter (
    device_key          TEXT NOT NULL,
    nozzle              TEXT NOT NULL,
    device_epoch        INTEGER NOT NULL,   -- raised when the totalizer goes back without wrapping
    totalizer_after_ml  INTEGER,
    last_fact_id        BLOB NOT NULL,
    wrong_scale_factor  INTEGER NOT NULL DEFAULT 0,  -- see points.units.wrong_scale
    wrong_scale_in_row  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (device_key, nozzle)
) STRICT, WITHOUT ROWID;

CREATE TABLE device_clock (
    device_key     TEXT PRIMARY KEY,
    offset_ms      INTEGER NOT NULL,        -- device minus ours at its last live fuelling
    measured_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE fact (
    fact_id            BLOB PRIMARY KEY CHECK (length(fact_id) = 16),
    kind               TEXT NOT NULL CHECK (kind IN ('fuelling', 'basket')),
    point              TEXT NOT NULL,       -- '' for a basket and for a nozzle nobody configured
    device_key         TEXT NOT NULL,
    nozzle             TEXT NOT NULL,
    product            TEXT NOT NULL,
    device_epoch       INTEGER NOT NULL,
    sequence_no        INTEGER,
    volume_ml          INTEGER NOT NULL CHECK (volume_ml >= 0),
    amount_fen         INTEGER NOT NULL CHECK (amount_fen >= 0),
    unit_price_milli   INTEGER NOT NULL,
    totalizer_after_ml INTEGER,
    missed_ml          INTEGER NOT NULL,    -- the totalizer moved by this much more than the volume
    evidence           TEXT NOT NULL CHECK (evidence IN ('metered', 'recorded', 'none')),
    event_time_ms      INTEGER NOT NULL,
    time_quality       TEXT NOT NULL CHECK (time_quality IN ('seen', 'device', 'estimated')),
    clock_quality      TEXT NOT NULL,
    device_time        TEXT NOT NULL,       -- as the device gave it, for the auditor
    raw                TEXT NOT NULL,       -- its digits: volume, amount, unit price, totalizer, by '/'
    flags              TEXT NOT NULL,       -- space separated reason codes
    credential         TEXT NOT NULL,       -- keyed hash of the tag in the record, or ''
    booked_at_ms       INTEGER NOT NULL,
    stream_seq         INTEGER NOT NULL     -- its item in the ledger stream
) STRICT;
CREATE INDEX fact_by_point ON fact (point, event_time_ms) WHERE kind = 'fuelling';

-- Facts of a nozzle whose decimals were set wrong, scaled anew from their raw digits once they are right.
CREATE TABLE correction (
    fact_id          BLOB PRIMARY KEY REFERENCES fact (fact_id),
    volume_ml        INTEGER NOT NULL CHECK (volume_ml >= 0),
    unit_price_milli INTEGER NOT NULL,
    corrected_at_ms  INTEGER NOT NULL,
    stream_seq       INTEGER NOT NULL       -- its item in the ledger stream
) STRICT;

-- What a cashier sold. The POS must never use one sale id twice on one register.
CREATE TABLE pos_sale (
    register        TEXT NOT NULL,
    pos_sale_id     TEXT NOT NULL,
    point           TEXT NOT NULL,
    fuel_amount_fen INTEGER NOT NULL,
    tender          TEXT NOT NULL,
    lines           TEXT NOT NULL,          -- JSON [[product, quantity_milli, amount_fen], ...]
    total_fen       INTEGER NOT NULL,
    credential      TEXT NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('CANDIDATE', 'AMBIGUOUS', 'BOUND', 'UNBOUND')),
    fact_id         BLOB REFERENCES fact (fact_id),
    paid_at_ms      INTEGER NOT NULL,
    refunded_fen    INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (register, pos_sale_id)
) STRICT;
CREATE INDEX pos_sale_waiting ON pos_sale (point, paid_at_ms) WHERE state IN ('CANDIDATE', 'AMBIGUOUS');

-- A fact joined with its payment (if there is a POS) and its member (if one is known).
CREATE TABLE binding (
    fact_id      BLOB PRIMARY KEY REFERENCES fact (fact_id),
    register     TEXT NOT NULL,             -- '' where points are awarded without a POS
    pos_sale_id  TEXT NOT NULL,
    member       TEXT NOT NULL,             -- '' while nobody is known
    credential   TEXT NOT NULL,
    reason       TEXT NOT NULL,             -- why there is no award, or ''
    bound_at_ms  INTEGER NOT NULL
) STRICT;
CREATE INDEX binding_waiting ON binding (reason) WHERE reason <> '';

CREATE TABLE presentation (
    presentation_id INTEGER PRIMARY KEY,
    point           TEXT NOT NULL,
    credential      TEXT NOT NULL,
    presented_at_ms INTEGER NOT NULL,
    lifted_at_ms    INTEGER,                -- a nozzle was lifted: it no longer lapses
    fact_id         BLOB                    -- the one fuelling that used it
) STRICT;
CREATE INDEX presentation_open ON presentation (point) WHERE fact_id IS NULL;
CREATE INDEX presentation_used ON presentation (fact_id) WHERE fact_id IS NOT NULL;

CREATE TABLE member (
    member               TEXT PRIMARY KEY,  -- HQ's opaque id
    status               TEXT NOT NULL CHECK (status IN ('ACTIVE', 'FROZEN', 'CLOSED')),
    tier                 TEXT NOT NULL,
    tier_valid_until     TEXT NOT NULL,     -- last day, '' without end
    cohort               TEXT NOT NULL,
    birth_month          INTEGER,           -- only with consent
    birth_day            INTEGER,
    balance_minor        INTEGER NOT NULL,  -- HQ's, with everything of ours up to included_seq
    included_seq         INTEGER NOT NULL,
    included_minor       INTEGER NOT NULL,  -- sum of our entries up to included_seq
    version              INTEGER NOT NULL,
    as_of_ms             INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE credential (
    credential TEXT PRIMARY KEY,            -- keyed hash, see decisions 5
    member     TEXT NOT NULL REFERENCES member (member)
) STRICT, WITHOUT ROWID;
CREATE TABLE snapshot (
    version      INTEGER PRIMARY KEY,
    sha256       BLOB NOT NULL,
    members      INTEGER NOT NULL,
    loaded_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE bundle (
    bundle             TEXT NOT NULL,
    version            INTEGER NOT NULL,
    sha256             BLOB NOT NULL,
    effective_from_ms  INTEGER NOT NULL,
    body               BLOB NOT NULL,       -- the signed bytes
    adopted_at_ms      INTEGER NOT NULL,
    PRIMARY KEY (bundle, version)
) STRICT;

CREATE TABLE award (
    fact_id        BLOB PRIMARY KEY REFERENCES fact (fact_id),
    award_id       BLOB NOT NULL UNIQUE,
    member         TEXT NOT NULL,
    bundle         TEXT NOT NULL,
    version        INTEGER NOT NULL,
    minor          INTEGER NOT NULL CHECK (minor >= 0),
    reason         TEXT NOT NULL,           -- why it is zero, or ''
    inputs         TEXT NOT NULL,           -- JSON, what this station knew
    result         TEXT NOT NULL,           -- JSON, explanation and alternatives
    settled_at_ms  INTEGER NOT NULL,
    stream_seq     INTEGER NOT NULL
) STRICT;
CREATE TABLE usage (
    member TEXT NOT NULL,
    period TEXT NOT NULL,                   -- a business day 'YYYY-MM-DD' or a month 'YYYY-MM'
    minor  INTEGER NOT NULL,
    PRIMARY KEY (member, period)
) STRICT, WITHOUT ROWID;
CREATE TABLE lot (
    award_id        BLOB PRIMARY KEY REFERENCES award (award_id),
    member          TEXT NOT NULL,
    minor           INTEGER NOT NULL CHECK (minor > 0),
    remaining_minor INTEGER NOT NULL CHECK (remaining_minor BETWEEN 0 AND minor),
    state           TEXT NOT NULL CHECK (state IN ('pending', 'active', 'exhausted', 'reversed'))
) STRICT;
CREATE INDEX lot_remaining ON lot (member) WHERE remaining_minor > 0;

CREATE TABLE refund (
    register     TEXT NOT NULL,
    refund_id    TEXT NOT NULL,
    pos_sale_id  TEXT NOT NULL,
    fact_id      BLOB,
    amount_fen   INTEGER NOT NULL,
    minor        INTEGER NOT NULL,          -- points taken back
    refunded_at_ms INTEGER NOT NULL,
    PRIMARY KEY (register, refund_id)
) STRICT;
CREATE INDEX refund_of_fact ON refund (fact_id);

CREATE TABLE ledger_entry (
    seq   INTEGER PRIMARY KEY,
    kind  TEXT NOT NULL,
    ref   BLOB NOT NULL,                    -- award id
    at_ms INTEGER NOT NULL,
    body  BLOB NOT NULL,                    -- the bytes that are hashed
    head  BLOB NOT NULL CHECK (length(head) = 32)
) STRICT;
CREATE TABLE posting (
    seq     INTEGER NOT NULL REFERENCES ledger_entry (seq),
    account TEXT NOT NULL,
    minor   INTEGER NOT NULL,
    PRIMARY KEY (account, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE account (
    account TEXT PRIMARY KEY,
    minor   INTEGER NOT NULL                -- a cache of the postings; store verify rebuilds it
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
    stream TEXT NOT NULL,
    seq    INTEGER NOT NULL,
    kind   TEXT NOT NULL,
    at_ms  INTEGER NOT NULL,
    body   BLOB NOT NULL,                   -- the bytes that are sent
    head   BLOB NOT NULL CHECK (length(head) = 32),
    PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE watermark (
    stream   TEXT PRIMARY KEY,
    seq      INTEGER NOT NULL,              -- HQ has everything up to here
    head     BLOB NOT NULL,
    acked_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What went wrong, counted by reason code and subject; never a plate, card or key.
CREATE TABLE alarm (
    code        TEXT NOT NULL,
    subject     TEXT NOT NULL,
    times       INTEGER NOT NULL,
    first_at_ms INTEGER NOT NULL,
    last_at_ms  INTEGER NOT NULL,
    detail      TEXT NOT NULL,
    PRIMARY KEY (code, subject)
) STRICT, WITHOUT ROWID;
