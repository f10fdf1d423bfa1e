-- An id that sorts by its time (RFC 9562, version 7), for PostgreSQL before 18 as well.
CREATE FUNCTION ledger_uuidv7(at timestamptz) RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
  SELECT encode(
    set_bit(set_bit(
      overlay(uuid_send(gen_random_uuid())
              PLACING substring(int8send((extract(epoch FROM at) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
      52, 1), 53, 1), 'hex')::uuid
$$;

-- What the hash of an entry covers: PostgreSQL's binary record of every field. It is injective (each field carries its type
-- and length), the same in every session (no text of numbers or instants; text as UTF-8 bytes), and fast.
CREATE FUNCTION ledger_canonical(e accounts_ledgerentry) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT record_send(row(
    1, e.id, e.account_id, e.sequence, convert_to(e.kind, 'UTF8'), e.occurred_at, e.recorded_at, e.group_id, e.instrument_id,
    e.quantity, e.price, e.cash, convert_to(e.currency, 'UTF8'), e.fee, e.tax, convert_to(e.data::text, 'UTF8'),
    convert_to(e.reason_primary, 'UTF8'), convert_to(e.reason_explanation, 'UTF8'), convert_to(e.notes, 'UTF8'),
    convert_to(e.tags::text, 'UTF8'), convert_to(e.source, 'UTF8'), convert_to(e.external_id, 'UTF8'),
    e.reverses_id, e.corrects_id, e.actor_id))
$$;

-- What became of a draft: created | known (same id, same figures) | conflicting (same id, other figures) | reversed (already)
-- | unknown (no such entry to take back) | skipped (good, but another of the batch was not).
CREATE TYPE ledger_answer AS (
  entry_id uuid, entry_sequence bigint, outcome text, recorded_at timestamptz, previous_hash bytea, hash bytea, followed boolean);

-- The one writer of the ledger. Under a lock on the account's head it gives each draft, a JSON object that names the columns,
-- its sequence and hash, and answers for each in their order. Unless p_partial, one draft that is neither created nor known
-- leaves the ledger as it was. The actor is an argument, so that a post by itself is one round trip.
CREATE FUNCTION ledger_append(p_account uuid, p_actor uuid, p_drafts jsonb, p_partial boolean DEFAULT false)
RETURNS SETOF ledger_answer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  acting text := current_setting('app.user_id', true);
  narrowed text := current_setting('app.account_ids', true);
  head record;
  blank accounts_ledgerentry;
  e accounts_ledgerentry;
  known accounts_ledgerentry;
  fresh accounts_ledgerentry[];
  answers ledger_answer[];
  answer ledger_answer;
  refused boolean := false;
BEGIN
  IF acting <> '' AND acting <> p_actor::text THEN
    RAISE EXCEPTION 'the transaction acts for another user' USING ERRCODE = 'insufficient_privilege';
  END IF;
  FOR attempt IN 1 .. 2 LOOP
    SELECT h.sequence, h.hash, h.recorded_at, a.closed_on INTO head
    FROM accounts_ledgerhead h
    JOIN accounts_account a ON a.id = h.account_id
    JOIN accounts_membership m ON m.account_id = h.account_id
    WHERE h.account_id = p_account AND m.user_id = p_actor AND m.role >= 20 AND m.accepted_at IS NOT NULL
    FOR UPDATE OF h;
    EXIT WHEN FOUND;
    -- the first entry of an account makes its head
    INSERT INTO accounts_ledgerhead (account_id, sequence, hash)
    SELECT a.id, 0, '' FROM accounts_account a WHERE a.id = p_account AND attempt = 1
    ON CONFLICT DO NOTHING;
  END LOOP;
  IF head IS NULL OR (narrowed <> '' AND p_account::text <> ALL (string_to_array(narrowed, ','))) THEN
    RAISE EXCEPTION 'only a trader or an owner of the account may post' USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF head.closed_on IS NOT NULL THEN
    RAISE EXCEPTION 'the account was closed on %', head.closed_on USING ERRCODE = 'BR001';
  END IF;

  blank.account_id := p_account;
  blank.actor_id := p_actor;
  -- never before the entry in front, should the clock step back: "as known at" follows the sequence
  blank.recorded_at := greatest(clock_timestamp(), head.recorded_at);
  blank.quantity := 0;
  blank.cash := 0;
  blank.fee := 0;
  blank.tax := 0;
  blank.data := '{}';
  blank.tags := '{}';
  blank.reason_primary := '';
  blank.reason_explanation := '';
  blank.notes := '';
  blank.source := '';
  blank.external_id := '';

  FOR n IN 0 .. jsonb_array_length(p_drafts) - 1 LOOP
    e := jsonb_populate_record(blank, p_drafts -> n);
    e.account_id := p_account;
    e.actor_id := p_actor;
    e.recorded_at := blank.recorded_at;
    answer := row(NULL, NULL, 'created', e.recorded_at, NULL, NULL, true);
    IF e.external_id <> '' THEN
      SELECT * INTO known FROM accounts_ledgerentry k
      WHERE k.account_id = p_account AND k.source = e.source AND k.external_id = e.external_id AND k.external_id <> '';
      IF FOUND THEN
        answer := row(known.id, known.sequence, CASE WHEN
          row(known.kind, known.occurred_at, known.instrument_id, known.quantity, known.price, known.cash, known.currency,
              known.fee, known.tax, known.data, known.reverses_id)
          IS NOT DISTINCT FROM
          row(e.kind, e.occurred_at, e.instrument_id, e.quantity, e.price, e.cash, e.currency,
              e.fee, e.tax, e.data, e.reverses_id)
          THEN 'known' ELSE 'conflicting' END, known.recorded_at, known.previous_hash, known.hash, true);
      END IF;
    END IF;
    IF answer.outcome = 'created' AND (e.reverses_id IS NOT NULL OR e.corrects_id IS NOT NULL) THEN
      answer.outcome := ledger_verdict_on_link(p_account, e.reverses_id, e.corrects_id);
    END IF;
    IF answer.outcome = 'created' THEN
      e.id := coalesce(e.id, ledger_uuidv7(e.recorded_at));
      e.sequence := head.sequence + 1;
      e.previous_hash := head.hash;
      e.hash := sha256(head.hash || ledger_canonical(e));
      head.sequence := e.sequence;
      head.hash := e.hash;
      fresh := array_append(fresh, e);
      answer := row(e.id, e.sequence, 'created', e.recorded_at, e.previous_hash, e.hash, e.instrument_id IS NULL OR EXISTS (
        SELECT FROM marketdata_followedinstrument f WHERE f.instrument_id = e.instrument_id));
    ELSE
      refused := refused OR answer.outcome <> 'known';
    END IF;
    answers := array_append(answers, answer);
  END LOOP;

  IF fresh IS NOT NULL AND (p_partial OR NOT refused) THEN
    acting := set_config('bedrock.appending', 'on', true);
    INSERT INTO accounts_ledgerentry SELECT f.* FROM unnest(fresh) AS f;
    UPDATE accounts_ledgerhead h SET sequence = head.sequence, hash = head.hash, recorded_at = blank.recorded_at
    WHERE h.account_id = p_account;
    acting := set_config('bedrock.appending', '', true);
  END IF;
  FOREACH answer IN ARRAY coalesce(answers, '{}') LOOP
    IF refused AND NOT p_partial AND answer.outcome = 'created' THEN
      answer := row(NULL, NULL, 'skipped', NULL, NULL, NULL, true);
    END IF;
    RETURN NEXT answer;
  END LOOP;
END $$;

-- Whether an entry may take back or replace another: that one has to be there, be no reversal, and not be taken back before.
CREATE FUNCTION ledger_verdict_on_link(p_account uuid, p_reverses uuid, p_corrects uuid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT CASE
    WHEN NOT EXISTS (
      SELECT FROM accounts_ledgerentry v
      WHERE v.account_id = p_account AND v.id = coalesce(p_reverses, p_corrects) AND v.reverses_id IS NULL) THEN 'unknown'
    WHEN EXISTS (SELECT FROM accounts_ledgerentry r WHERE r.account_id = p_account AND r.reverses_id = p_reverses) THEN 'reversed'
    ELSE 'created' END
$$;

REVOKE ALL ON FUNCTION ledger_append(uuid, uuid, jsonb, boolean), ledger_verdict_on_link(uuid, uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger_append(uuid, uuid, jsonb, boolean) TO bedrock_app, bedrock_system;

-- Entries are added by the function above alone, and never changed or removed: for nobody, the superuser included.
CREATE FUNCTION ledger_no_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the ledger is append-only: % of % is refused; post a reversal instead', tg_op, tg_table_name
    USING ERRCODE = 'restrict_violation';
END $$;

CREATE FUNCTION ledger_one_writer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF coalesce(current_setting('bedrock.appending', true), '') <> 'on' THEN
    RAISE EXCEPTION 'the ledger is written through ledger_append() alone, which gives sequence and hash'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER entry_one_writer BEFORE INSERT ON accounts_ledgerentry FOR EACH STATEMENT EXECUTE FUNCTION ledger_one_writer();
CREATE TRIGGER entry_fixed BEFORE UPDATE OR DELETE ON accounts_ledgerentry FOR EACH ROW EXECUTE FUNCTION ledger_no_change();
CREATE TRIGGER entry_kept BEFORE TRUNCATE ON accounts_ledgerentry FOR EACH STATEMENT EXECUTE FUNCTION ledger_no_change();
ALTER TABLE accounts_ledgerentry ENABLE ALWAYS TRIGGER entry_one_writer;
ALTER TABLE accounts_ledgerentry ENABLE ALWAYS TRIGGER entry_fixed;
ALTER TABLE accounts_ledgerentry ENABLE ALWAYS TRIGGER entry_kept;

-- The head moves forward only, and only to an entry that is there.
CREATE FUNCTION ledger_head_guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  IF tg_op IN ('DELETE', 'TRUNCATE') THEN
    RAISE EXCEPTION 'the head of a ledger is never removed' USING ERRCODE = 'restrict_violation';
  ELSIF tg_op = 'INSERT' AND NEW.sequence = 0 AND NEW.hash = '' THEN
    RETURN NEW;
  ELSIF tg_op = 'UPDATE' AND NEW.account_id = OLD.account_id AND NEW.sequence > OLD.sequence AND EXISTS (
    SELECT FROM accounts_ledgerentry e WHERE e.account_id = NEW.account_id AND e.sequence = NEW.sequence AND e.hash = NEW.hash
  ) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'the head of a ledger moves forward only, to an entry that exists' USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER head_guard BEFORE INSERT OR UPDATE OR DELETE ON accounts_ledgerhead FOR EACH ROW EXECUTE FUNCTION ledger_head_guard();
CREATE TRIGGER head_kept BEFORE TRUNCATE ON accounts_ledgerhead FOR EACH STATEMENT EXECUTE FUNCTION ledger_head_guard();
ALTER TABLE accounts_ledgerhead ENABLE ALWAYS TRIGGER head_guard;
ALTER TABLE accounts_ledgerhead ENABLE ALWAYS TRIGGER head_kept;
