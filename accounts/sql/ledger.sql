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

-- The one writer of the ledger. Under a lock on the account's head it gives each draft, a JSON object that names the columns,
-- its sequence and hash. The actor is an argument, so that a post by itself is one round trip. It answers for each draft, in
-- their order, with [outcome, id, sequence, recorded at, previous hash, hash, whether its instrument's prices are followed]:
-- created | known (same id, same figures) | conflicting (same id, other figures) | reversed (already) | unknown (no such entry
-- to take back) | skipped (good, but another was not: unless p_partial, that leaves the ledger as it was). An instrument that is
-- told unfollowed is told so once.
CREATE FUNCTION ledger_append(p_account uuid, p_actor uuid, p_drafts jsonb, p_partial boolean DEFAULT false)
RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  acting text := current_setting('app.user_id', true);
  narrowed text := current_setting('app.account_ids', true);
  last_sequence bigint;
  last_hash bytea;
  last_at timestamptz;
  closed date;
  blank accounts_ledgerentry;
  e accounts_ledgerentry;
  known accounts_ledgerentry;
  fresh accounts_ledgerentry[];
  answers jsonb[] := '{}';
  outcome text;
  followed boolean;
  seen uuid[] := '{}';
  refused boolean := false;
BEGIN
  IF acting <> '' AND acting <> p_actor::text THEN
    RAISE EXCEPTION 'the transaction acts for another user' USING ERRCODE = 'insufficient_privilege';
  END IF;
  FOR attempt IN 1 .. 2 LOOP
    SELECT h.sequence, h.hash, h.recorded_at, a.closed_on INTO last_sequence, last_hash, last_at, closed
    FROM accounts_ledgerhead h
    JOIN accounts_account a ON a.id = h.account_id
    JOIN accounts_membership m ON m.account_id = h.account_id
    WHERE h.account_id = p_account AND m.user_id = p_actor AND m.role >= 20 AND m.accepted_at IS NOT NULL
    FOR UPDATE OF h;
    EXIT WHEN FOUND;
    -- the first entry of an account makes its head
    acting := set_config('bedrock.appending', 'on', true);
    INSERT INTO accounts_ledgerhead (account_id, sequence, hash)
    SELECT a.id, 0, '' FROM accounts_account a WHERE a.id = p_account AND attempt = 1
    ON CONFLICT DO NOTHING;
    acting := set_config('bedrock.appending', '', true);
  END LOOP;
  IF last_sequence IS NULL OR (narrowed <> '' AND p_account::text <> ALL (string_to_array(narrowed, ','))) THEN
    RAISE EXCEPTION 'only a trader or an owner of the account may post' USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF closed IS NOT NULL THEN
    RAISE EXCEPTION 'the account was closed on %', closed USING ERRCODE = 'BR001';
  END IF;

  blank.account_id := p_account;
  blank.actor_id := p_actor;
  -- never before the entry in front, should the clock step back: "as known at" follows the sequence
  blank.recorded_at := greatest(clock_timestamp(), last_at);
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
    outcome := 'created';
    IF e.external_id <> '' THEN
      SELECT * INTO known FROM accounts_ledgerentry k
      WHERE k.account_id = p_account AND k.source = e.source AND k.external_id = e.external_id AND k.external_id <> '';
      IF FOUND THEN
        outcome := CASE WHEN
          row(known.kind, known.occurred_at, known.instrument_id, known.quantity, known.price, known.cash, known.currency,
              known.fee, known.tax, known.data, known.reverses_id)
          IS NOT DISTINCT FROM
          row(e.kind, e.occurred_at, e.instrument_id, e.quantity, e.price, e.cash, e.currency,
              e.fee, e.tax, e.data, e.reverses_id)
          THEN 'known' ELSE 'conflicting' END;
        refused := refused OR outcome = 'conflicting';
        answers := array_append(answers, jsonb_build_array(outcome, known.id, known.sequence));
        CONTINUE;
      END IF;
    END IF;
    IF e.reverses_id IS NOT NULL OR e.corrects_id IS NOT NULL THEN
      outcome := ledger_verdict_on_link(p_account, e.reverses_id, e.corrects_id);
      IF outcome <> 'created' THEN
        refused := true;
        answers := array_append(answers, jsonb_build_array(outcome));
        CONTINUE;
      END IF;
    END IF;
    followed := true;
    IF e.instrument_id IS NOT NULL AND e.instrument_id <> ALL (seen) THEN  -- once for each instrument of the call
      followed := EXISTS (SELECT FROM marketdata_followedinstrument f WHERE f.instrument_id = e.instrument_id);
      seen := array_append(seen, e.instrument_id);
    END IF;
    e.id := coalesce(e.id, ledger_uuidv7(e.recorded_at));
    last_sequence := last_sequence + 1;
    e.sequence := last_sequence;
    e.previous_hash := last_hash;
    last_hash := sha256(last_hash || ledger_canonical(e));
    e.hash := last_hash;
    fresh := array_append(fresh, e);
    answers := array_append(answers, jsonb_build_array(
      outcome, e.id, e.sequence, e.recorded_at, encode(e.previous_hash, 'hex'), encode(e.hash, 'hex'), followed));
  END LOOP;

  IF refused AND NOT p_partial THEN
    RETURN (
      SELECT jsonb_agg(CASE WHEN a ->> 0 = 'created' THEN '["skipped"]' ELSE a END ORDER BY n)
      FROM unnest(answers) WITH ORDINALITY AS t (a, n));
  END IF;
  IF fresh IS NOT NULL THEN
    acting := set_config('bedrock.appending', 'on', true);
    INSERT INTO accounts_ledgerentry SELECT f.* FROM unnest(fresh) AS f;
    UPDATE accounts_ledgerhead h SET sequence = last_sequence, hash = last_hash, recorded_at = blank.recorded_at
    WHERE h.account_id = p_account;
    acting := set_config('bedrock.appending', '', true);
  END IF;
  RETURN to_jsonb(answers);
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

-- Entries are added by the function above alone, and never changed or removed: for nobody, the superuser included. It alone
-- moves the head. (The condition stands in the trigger: it costs less than a call.)
CREATE FUNCTION ledger_no_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the ledger is append-only: % of % is refused; post a reversal instead', tg_op, tg_table_name
    USING ERRCODE = 'restrict_violation';
END $$;

CREATE FUNCTION ledger_one_writer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the ledger is written through ledger_append() alone, which gives sequence and hash'
    USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER entry_one_writer BEFORE INSERT ON accounts_ledgerentry FOR EACH STATEMENT
WHEN (current_setting('bedrock.appending', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION ledger_one_writer();
CREATE TRIGGER entry_fixed BEFORE UPDATE OR DELETE ON accounts_ledgerentry FOR EACH ROW EXECUTE FUNCTION ledger_no_change();
CREATE TRIGGER entry_kept BEFORE TRUNCATE ON accounts_ledgerentry FOR EACH STATEMENT EXECUTE FUNCTION ledger_no_change();
-- Whoever has written in a ledger stays known (deactivate them instead).
CREATE FUNCTION ledger_keeps_its_actors() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM accounts_ledgerentry e WHERE e.actor_id = OLD.id) THEN
    RAISE EXCEPTION 'this person has written in a ledger' USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN OLD;
END $$;
CREATE TRIGGER actor_is_kept BEFORE DELETE ON accounts_user FOR EACH ROW EXECUTE FUNCTION ledger_keeps_its_actors();

CREATE TRIGGER head_one_writer BEFORE INSERT OR UPDATE ON accounts_ledgerhead FOR EACH STATEMENT
WHEN (current_setting('bedrock.appending', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION ledger_one_writer();
CREATE TRIGGER head_fixed BEFORE DELETE ON accounts_ledgerhead FOR EACH ROW EXECUTE FUNCTION ledger_no_change();
CREATE TRIGGER head_kept BEFORE TRUNCATE ON accounts_ledgerhead FOR EACH STATEMENT EXECUTE FUNCTION ledger_no_change();
-- in replica mode too
ALTER TABLE accounts_ledgerentry ENABLE ALWAYS TRIGGER entry_one_writer;
ALTER TABLE accounts_ledgerentry ENABLE ALWAYS TRIGGER entry_fixed;
ALTER TABLE accounts_ledgerentry ENABLE ALWAYS TRIGGER entry_kept;
ALTER TABLE accounts_ledgerhead ENABLE ALWAYS TRIGGER head_one_writer;
ALTER TABLE accounts_ledgerhead ENABLE ALWAYS TRIGGER head_fixed;
ALTER TABLE accounts_ledgerhead ENABLE ALWAYS TRIGGER head_kept;
