-- The first schema. Units are in the column names; ids are 16 bytes, heads and hashes 32.
-- Rows of fact, award, ledger_entry, posting, lot_move and refund are never changed once written.

CREATE TABLE station (
    only_row     INTEGER PRIMARY KEY CHECK (only_row = 1),
    station      TEXT NOT NULL,
    programme    TEXT NOT NULL,
    epoch        INTEGER NOT NULL,      -- incarnation of this file; a restore raises it
    created_at_ms INTEGER NOT NULL,
    mismatched   INTEGER NOT NULL DEFAULT 0 -- awards of this epoch that HQ computed otherwise, by its last ack
) STRICT;

-- Where the incarnations of this file part: entries and rows up to here are the former one's.
CREATE TABLE fork (
    epoch       INTEGER NOT NULL,           -- the incarnation that begins after it
    chain       TEXT NOT NULL,              -- 'ledger_entry', or the name of a stream
    seq         INTEGER NOT NULL,
    head        BLOB NOT NULL CHECK (length(head) = 32),
    forked_at_ms INTEGER NOT NULL,
    PRIMARY KEY (epoch, chain)
) STRICT, WITHOUT ROWID;

-- Every start of the agent; one that did not end cleanly has no end.
CREATE TABLE run (
    run_id        INTEGER PRIMARY KEY,
    started_at_ms INTEGER NOT NULL,
    ended_at_ms   INTEGER,
    boot          TEXT NOT NULL             -- which start of the machine it was: a power cut is no crash
) STRICT;

-- Times without headquarters; the last one may still go on.
CREATE TABLE dark_spell (
    began_at_ms INTEGER PRIMARY KEY,
    ended_at_ms INTEGER
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
    unmetered_ml        INTEGER NOT NULL DEFAULT 0,  -- passed since by records without a totalizer
    PRIMARY KEY (device_key, nozzle)
) STRICT, WITHOUT ROWID;

CREATE TABLE device_clock (
    device_key     TEXT PRIMARY KEY,
    offset_ms      INTEGER NOT NULL,        -- device minus ours at its last live fuelling
    measured_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What was usual on a line, so that it is compared with that again after a start (drivers/quality.py).
CREATE TABLE line_usual (
    line             TEXT PRIMARY KEY,
    heard_count      INTEGER NOT NULL,
    damaged_count    INTEGER NOT NULL,
    unanswered_count INTEGER NOT NULL,
    answered_count   INTEGER NOT NULL,
    answers_ms       INTEGER NOT NULL,      -- how long all of these took together
    kept_at_ms       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE fact (
    fact_id            BLOB PRIMARY KEY CHECK (length(fact_id) = 16),
    kind               TEXT NOT NULL CHECK (kind IN ('fuelling', 'basket', 'gap')),
                                            -- gap: litres that passed a meter without a record
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
    missed_ml          INTEGER NOT NULL,    -- passed before it without a record: a fact 'gap' of their own
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
CREATE INDEX fact_by_product ON fact (product, booked_at_ms) WHERE kind <> 'basket';

-- How each configured tank stood when its gauge was last asked.
CREATE TABLE tank_level (
    device_key    TEXT NOT NULL,
    tank          TEXT NOT NULL,            -- as the gauge numbers it
    volume_ml     INTEGER NOT NULL,
    is_delivering INTEGER NOT NULL CHECK (is_delivering IN (0, 1)),
    read_at_ms    INTEGER NOT NULL,
    PRIMARY KEY (device_key, tank)
) STRICT, WITHOUT ROWID;
-- Since when all tanks of a product are compared with what was booked; see handlers/reconcile.py.
CREATE TABLE tank_window (
    product          TEXT PRIMARY KEY,
    opened_at_ms     INTEGER NOT NULL,
    opened_ml        INTEGER NOT NULL,      -- in all its tanks together, as are the others
    judged_at_ms     INTEGER NOT NULL,
    last_ml          INTEGER NOT NULL,
    lowest_ml        INTEGER NOT NULL CHECK (lowest_ml <= 0),  -- least that was unexplained
    missing_since_ms INTEGER,               -- NULL while what is unexplained is within the tolerance
    missing_ml       INTEGER NOT NULL CHECK (missing_ml >= 0)  -- least since then
) STRICT, WITHOUT ROWID;
-- Deliveries as gauges recorded them.
CREATE TABLE tank_delivery (
    device_key      TEXT NOT NULL,
    tank            TEXT NOT NULL,
    raw             TEXT NOT NULL,          -- its digits: begin, end and all values, by '/'
    start_volume_ml INTEGER,
    end_volume_ml   INTEGER,
    heard_at_ms     INTEGER NOT NULL,
    PRIMARY KEY (device_key, tank, raw)
) STRICT, WITHOUT ROWID;

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
    lapsed_through       TEXT NOT NULL,     -- what lapsed up to this day is out of the balance already
    as_of_ms             INTEGER NOT NULL,
    profile              TEXT NOT NULL      -- JSON: locale, consents, progress, privileges ...; nothing that names anybody
) STRICT, WITHOUT ROWID;
-- HQ's balance by the last day on which each part of it is worth something.
CREATE TABLE bucket (
    member         TEXT NOT NULL REFERENCES member (member),
    lapses_on      TEXT NOT NULL,           -- 'YYYY-MM-DD', '' never
    minor          INTEGER NOT NULL,
    honoured_until TEXT NOT NULL DEFAULT '',  -- it lapsed while this station was dark
    PRIMARY KEY (member, lapses_on)
) STRICT, WITHOUT ROWID;
-- What the member has earned and bought in a period besides what `usage` has: elsewhere, by HQ's word.
CREATE TABLE usage_elsewhere (
    member     TEXT NOT NULL REFERENCES member (member),
    period     TEXT NOT NULL,
    minor      INTEGER NOT NULL,
    fills      INTEGER NOT NULL,
    volume_ml  INTEGER NOT NULL,
    amount_fen INTEGER NOT NULL,
    PRIMARY KEY (member, period)
) STRICT, WITHOUT ROWID;
-- Said once to a member: that points lapse soon (by stage, days before), and any decrease they did not start.
CREATE TABLE reminder (
    member      TEXT NOT NULL,
    lapses_on   TEXT NOT NULL,
    stage_days  INTEGER NOT NULL,
    shown_at_ms INTEGER NOT NULL,
    PRIMARY KEY (member, lapses_on, stage_days)
) STRICT, WITHOUT ROWID;
CREATE TABLE notice (
    notice_id   INTEGER PRIMARY KEY,
    member      TEXT NOT NULL,
    code        TEXT NOT NULL,              -- POINTS_LAPSED, MEMBER_FROZEN, ...
    minor       INTEGER NOT NULL,
    at_ms       INTEGER NOT NULL,
    shown_at_ms INTEGER
) STRICT;
CREATE INDEX notice_waiting ON notice (member) WHERE shown_at_ms IS NULL;
CREATE TABLE credential (
    credential TEXT PRIMARY KEY,            -- keyed hash, see decisions 5
    member     TEXT NOT NULL REFERENCES member (member)
) STRICT, WITHOUT ROWID;
-- Credentials that name nobody any more, by HQ's newest list of them.
CREATE TABLE revocation (
    credential TEXT PRIMARY KEY,            -- keyed hash
    since_ms   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE snapshot (
    version      INTEGER PRIMARY KEY,
    base         INTEGER NOT NULL,          -- the version that it changes; 0 for a full one
    sha256       BLOB NOT NULL,
    members      INTEGER NOT NULL,
    loaded_at_ms INTEGER NOT NULL
) STRICT;

-- VERIFIED: sound, waits for its rollout. SHADOW: judged beside the active one. ACTIVE: judges. RETIRED:
-- still judges what ended while it was in force. REJECTED: taken back, judges nothing.
CREATE TABLE bundle (
    bundle             TEXT NOT NULL,
    version            INTEGER NOT NULL UNIQUE,
    sha256             BLOB NOT NULL,
    effective_from_ms  INTEGER NOT NULL,
    body               BLOB NOT NULL,       -- the signed bytes
    received_at_ms     INTEGER NOT NULL,
    state              TEXT NOT NULL CHECK (state IN ('VERIFIED', 'SHADOW', 'ACTIVE', 'RETIRED', 'REJECTED')),
    state_at_ms        INTEGER NOT NULL,
    reason             TEXT NOT NULL,       -- why it is in this state, or ''
    in_force_from_ms   INTEGER,             -- event times from here on are its; set when it becomes ACTIVE
    activated_at_ms    INTEGER,             -- when it first became ACTIVE: nothing was settled by it before
    PRIMARY KEY (bundle, version)
) STRICT;
-- The words of HQ on how many stations a bundle is for; the newest of a version counts.
CREATE TABLE rollout (
    serial         INTEGER PRIMARY KEY,
    rollout        TEXT NOT NULL,
    version        INTEGER NOT NULL,        -- of the bundle
    percent        INTEGER NOT NULL CHECK (percent BETWEEN 0 AND 100),
    withdrawn      INTEGER NOT NULL CHECK (withdrawn IN (0, 1)),
    received_at_ms INTEGER NOT NULL
) STRICT;
-- What a candidate would have given on live sales, beside the active bundle.
CREATE TABLE shadow (
    version         INTEGER PRIMARY KEY,
    sales           INTEGER NOT NULL,
    more            INTEGER NOT NULL,       -- sales that would have earned more
    fewer           INTEGER NOT NULL,
    active_minor    INTEGER NOT NULL,
    candidate_minor INTEGER NOT NULL
) STRICT;
-- How the active bundle does since its activation: what the guardrails look at.
CREATE TABLE guard (
    version    INTEGER PRIMARY KEY,
    sales      INTEGER NOT NULL,
    declined   INTEGER NOT NULL,            -- earned nothing although nobody decided so
    mismatched INTEGER NOT NULL,            -- recomputed from the stored inputs, gave something else
    crashes    INTEGER NOT NULL,            -- starts after an unclean end, in a row
    since_seq   INTEGER NOT NULL DEFAULT 0, -- end of the ledger stream when it became ACTIVE
    checked_seq INTEGER NOT NULL DEFAULT 0  -- awards up to here were computed again
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
CREATE INDEX award_by_member ON award (member, stream_seq);
CREATE TABLE usage (
    member TEXT NOT NULL,
    period TEXT NOT NULL,                   -- a business day 'YYYY-MM-DD' or a month 'YYYY-MM'
    minor  INTEGER NOT NULL,
    fills  INTEGER NOT NULL,                -- sales with fuel
    volume_ml  INTEGER NOT NULL,
    amount_fen INTEGER NOT NULL,
    PRIMARY KEY (member, period)
) STRICT, WITHOUT ROWID;
-- What HQ decided about a member's points besides awards; see handlers/adjust.py and correction.py.
CREATE TABLE adjustment (
    adjustment_id  BLOB PRIMARY KEY CHECK (length(adjustment_id) = 16),
    command        TEXT NOT NULL UNIQUE,    -- HQ's name for its item
    cause          TEXT NOT NULL CHECK (cause IN ('adjust', 'correction')),
    member         TEXT NOT NULL,
    minor          INTEGER NOT NULL,        -- what the member has more, or (negative) less
    borne_minor    INTEGER NOT NULL CHECK (borne_minor >= 0),  -- given too much, and the programme's loss
    fact_id        BLOB REFERENCES award (fact_id),  -- of a correction
    term_ends_on   TEXT NOT NULL,           -- last day of what was given, '' never
    reason         TEXT NOT NULL,
    case_id        TEXT NOT NULL,
    adjusted_at_ms INTEGER NOT NULL,
    stream_seq     INTEGER NOT NULL,
    CHECK (minor <> 0 OR borne_minor > 0)
) STRICT;
CREATE INDEX adjustment_of_fact ON adjustment (fact_id) WHERE fact_id IS NOT NULL;
CREATE TABLE lot (
    lot_id          BLOB PRIMARY KEY,       -- of the award or the adjustment that opened it
    source          TEXT NOT NULL CHECK (source IN ('award', 'adjustment')),
    member          TEXT NOT NULL,
    minor           INTEGER NOT NULL CHECK (minor > 0),
    remaining_minor INTEGER NOT NULL CHECK (remaining_minor BETWEEN 0 AND minor),  -- a cache of its moves
    lapsed_minor    INTEGER NOT NULL CHECK (lapsed_minor BETWEEN 0 AND minor - remaining_minor),
    state           TEXT NOT NULL CHECK (state IN ('pending', 'active', 'exhausted', 'expired', 'reversed')),
    earned_on       TEXT NOT NULL,          -- business date 'YYYY-MM-DD'
    spendable_at_ms INTEGER NOT NULL,       -- pending until then
    term_ends_on    TEXT NOT NULL,          -- last day by the rules, '' never
    lapses_on       TEXT NOT NULL,          -- the same with the pauses and grace known today
    honoured_until  TEXT NOT NULL,          -- last day, where it lapsed while this station was dark, or ''
    ratio_version   INTEGER NOT NULL,       -- what it may be redeemed at, 0 if the rules do not say
    bucket_on       TEXT NOT NULL           -- its day in HQ's snapshot, where pauses moved it since, or ''
) STRICT;
CREATE INDEX lot_remaining ON lot (member) WHERE remaining_minor > 0;
CREATE INDEX lot_to_activate ON lot (spendable_at_ms) WHERE state = 'pending';
CREATE INDEX lot_to_lapse ON lot (lapses_on) WHERE state = 'active' AND lapses_on <> '';

-- Single-use serials. Whoever came by a document and is neither used nor given goes with the next document.
CREATE TABLE coupon (
    serial         TEXT PRIMARY KEY,
    member         TEXT NOT NULL,           -- '' in the pool, from which sales are given coupons
    kind           TEXT NOT NULL,
    valid_from     TEXT NOT NULL,           -- first day 'YYYY-MM-DD', '' in the pool
    valid_until    TEXT NOT NULL,           -- last day
    issued_fact_id BLOB REFERENCES award (fact_id),  -- the sale after which it was given from the pool
    issued_at_ms   INTEGER,
    used_fact_id   BLOB REFERENCES award (fact_id),  -- the sale that used it up, for ever
    used_at_ms     INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX coupon_held ON coupon (member, valid_until) WHERE used_fact_id IS NULL;
CREATE UNIQUE INDEX coupon_used ON coupon (used_fact_id, kind) WHERE used_fact_id IS NOT NULL;
CREATE INDEX coupon_issued ON coupon (issued_fact_id) WHERE issued_fact_id IS NOT NULL;
CREATE TABLE coupon_document (
    version      INTEGER PRIMARY KEY,
    sha256       BLOB NOT NULL,
    coupons      INTEGER NOT NULL,
    pool         INTEGER NOT NULL,
    loaded_at_ms INTEGER NOT NULL
) STRICT;

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
    ref   BLOB NOT NULL,                    -- id of the award or adjustment, and of its lot
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
-- Which lots an entry of the ledger filled or took from.
CREATE TABLE lot_move (
    lot_id BLOB NOT NULL REFERENCES lot (lot_id),
    seq    INTEGER NOT NULL REFERENCES ledger_entry (seq),
    minor  INTEGER NOT NULL,
    PRIMARY KEY (lot_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX lot_move_by_entry ON lot_move (seq);
CREATE TABLE account (
    account TEXT PRIMARY KEY,
    minor   INTEGER NOT NULL                -- a cache of the postings; store verify rebuilds it
) STRICT, WITHOUT ROWID;

CREATE TABLE daily_close (
    business_date TEXT PRIMARY KEY,
    first_seq     INTEGER NOT NULL,         -- of the ledger; last_seq = first_seq - 1 if nothing happened
    last_seq      INTEGER NOT NULL,
    head          BLOB NOT NULL CHECK (length(head) = 32),
    figures       TEXT NOT NULL,            -- JSON, minor units
    closed_at_ms  INTEGER NOT NULL
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

-- Points that may be spent here without asking; `grant_epoch` counts how often HQ renewed the grant.
CREATE TABLE rights_grant (
    grant_id       TEXT NOT NULL,
    grant_epoch    INTEGER NOT NULL,
    member         TEXT NOT NULL,
    minor          INTEGER NOT NULL CHECK (minor > 0),
    spent_minor    INTEGER NOT NULL CHECK (spent_minor BETWEEN 0 AND minor),
    buckets        TEXT NOT NULL,           -- JSON [[last day, minor], ...]: which points they are
    valid_until_ms INTEGER NOT NULL,
    state          TEXT NOT NULL            -- the second to the fourth are this station's, see points.rights
        CHECK (state IN ('OFFERED', 'ACTIVE', 'CLOSING', 'SETTLED', 'EXPIRED', 'RECLAIMED')),
    statements     INTEGER NOT NULL,        -- how many HQ was sent
    granted_at_ms  INTEGER NOT NULL,
    closed_at_ms   INTEGER,
    PRIMARY KEY (grant_id, grant_epoch)
) STRICT, WITHOUT ROWID;
CREATE INDEX rights_grant_open ON rights_grant (member) WHERE state = 'ACTIVE';
CREATE TABLE redemption_pause (
    only_row  INTEGER PRIMARY KEY CHECK (only_row = 1),
    until_ms  INTEGER NOT NULL,
    reason    TEXT NOT NULL,
    since_ms  INTEGER NOT NULL
) STRICT;

-- HQ's prices: of the tables that are in force at a time, the newest version counts.
CREATE TABLE price_table (
    version        INTEGER PRIMARY KEY,
    valid_from_ms  INTEGER NOT NULL,
    received_at_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE price (
    version          INTEGER NOT NULL REFERENCES price_table (version),
    product          TEXT NOT NULL,
    unit_price_milli INTEGER NOT NULL CHECK (unit_price_milli > 0),
    PRIMARY KEY (version, product)
) STRICT, WITHOUT ROWID;
-- Prices at which a nozzle sold and that the table in force did not name: told to HQ once.
CREATE TABLE unlisted_price (
    device_key       TEXT NOT NULL,
    nozzle           TEXT NOT NULL,
    version          INTEGER NOT NULL REFERENCES price_table (version),
    unit_price_milli INTEGER NOT NULL,
    first_fact_id    BLOB NOT NULL REFERENCES fact (fact_id),
    PRIMARY KEY (device_key, nozzle, version, unit_price_milli)
) STRICT, WITHOUT ROWID;

-- Maintenance, price policy: for staff or for customers, until HQ ends it.
CREATE TABLE station_notice (
    notice_id TEXT PRIMARY KEY,
    version   INTEGER NOT NULL,
    audience  TEXT NOT NULL CHECK (audience IN ('staff', 'customers')),
    from_ms   INTEGER NOT NULL,
    until_ms  INTEGER NOT NULL,
    zh        TEXT NOT NULL,
    en        TEXT NOT NULL
) STRICT, WITHOUT ROWID;
-- HQ's own wordings of what the slip and the till say.
CREATE TABLE wording (
    code     TEXT NOT NULL,
    language TEXT NOT NULL,
    text     TEXT NOT NULL,
    PRIMARY KEY (code, language)
) STRICT, WITHOUT ROWID;
-- The newest version of each list of HQ's that is replaced as a whole.
CREATE TABLE list_version (
    list        TEXT PRIMARY KEY CHECK (list IN ('revocations', 'catalogue')),
    version     INTEGER NOT NULL,
    taken_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Questions and complaints as HQ last told of them, and what was written on them here.
CREATE TABLE support_case (
    case_id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    state   TEXT NOT NULL,
    owner   TEXT NOT NULL,
    handler TEXT NOT NULL,
    eta_ms  INTEGER NOT NULL,               -- when it will be done, 0 if nobody has said
    urgency TEXT NOT NULL,
    fact_id BLOB,                           -- the sale that it is about
    zh      TEXT NOT NULL,
    en      TEXT NOT NULL,
    at_ms   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE case_note (
    case_id    TEXT NOT NULL REFERENCES support_case (case_id),
    note_no    INTEGER NOT NULL,
    author     TEXT NOT NULL,
    note       TEXT NOT NULL,
    at_ms      INTEGER NOT NULL,
    stream_seq INTEGER NOT NULL,            -- its item in the service stream
    PRIMARY KEY (case_id, note_no)
) STRICT, WITHOUT ROWID;

-- What headquarters told this station, each number once; `verdict` is '' where it took effect.
CREATE TABLE down_item (
    down_seq       INTEGER PRIMARY KEY,
    id             TEXT NOT NULL,           -- HQ's name for it
    kind           TEXT NOT NULL,
    sha256         BLOB NOT NULL CHECK (length(sha256) = 32),  -- of the message as it was signed
    verdict        TEXT NOT NULL,
    detail         TEXT NOT NULL,
    issued_at_ms   INTEGER NOT NULL,        -- by HQ's clock
    consumed_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX down_item_by_id ON down_item (id);
-- Lists of HQ's keys after the configured one, which is version 1.
CREATE TABLE trust (
    version       INTEGER PRIMARY KEY CHECK (version >= 2),
    document      BLOB NOT NULL,            -- as it was signed
    adopted_at_ms INTEGER NOT NULL
) STRICT;

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
