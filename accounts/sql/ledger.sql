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

-- The one writer of the ledger. It locks the account's head, gives each draft its sequence and hash, and answers for each:
-- created | known (same id, same figures) | conflicting (same id, other figures) | reversed (already) | unknown (no such entry).
-- Unless p_partial, one draft that is neither created nor known leaves the ledger as it was.
CREATE FUNCTION ledger_append(p_account uuid, p_actor uuid, p_drafts jsonb, p_partial boolean DEFAULT false)
RETURNS TABLE (ordinal bigint, entry_id uuid, entry_sequence bigint, outcome text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  head accounts_ledgerhead;
  closed date;
  d record;
  e accounts_ledgerentry;
  fresh accounts_ledgerentry[] := '{}';
  answers jsonb[] := '{}';
  refused boolean := false;
  verdict text;
BEGIN
  IF coalesce(current_setting('app.user_id', true), '') NOT IN ('', p_actor::text) THEN
    RAISE EXCEPTION 'the transaction acts for another user' USING ERRCODE = 'insufficient_privilege';
  END IF;
  SELECT a.closed_on INTO closed
  FROM accounts_membership m JOIN accounts_account a ON a.id = m.account_id
  WHERE m.account_id = p_account AND m.user_id = p_actor AND m.role >= 20 AND m.accepted_at IS NOT NULL
    AND (coalesce(current_setting('app.account_ids', true), '') = ''
         OR p_account::text = ANY (string_to_array(current_setting('app.account_ids', true), ',')));
  IF NOT FOUND THEN
    RAISE EXCEPTION 'only a trader or an owner of the account may post' USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF closed IS NOT NULL THEN
    RAISE EXCEPTION 'the account was closed on %', closed USING ERRCODE = 'BR001';
  END IF;

  SELECT * INTO head FROM accounts_ledgerhead h WHERE h.account_id = p_account FOR UPDATE;
  IF NOT FOUND THEN
    INSERT INTO accounts_ledgerhead (account_id, sequence, hash) VALUES (p_account, 0, '') ON CONFLICT DO NOTHING;
    SELECT * INTO head FROM accounts_ledgerhead h WHERE h.account_id = p_account FOR UPDATE;
  END IF;
  e.account_id := p_account;
  e.actor_id := p_actor;
  -- never before the entry in front, should the clock step back: "as known at" follows the sequence
  e.recorded_at := greatest(clock_timestamp(), head.recorded_at);

  FOR d IN
    SELECT t.n, x.*, k AS known, v AS victim
    FROM jsonb_array_elements(p_drafts) WITH ORDINALITY AS t (draft, n)
    CROSS JOIN LATERAL jsonb_to_record(t.draft) AS x (
      id uuid, kind text, occurred_at timestamptz, "group" uuid, instrument_id uuid, quantity numeric(24, 12), price numeric(25, 10),
      cash numeric(25, 10), currency text, fee numeric(25, 10), tax numeric(25, 10), data jsonb, reason_primary text,
      reason_explanation text, notes text, tags text[], source text, external_id text, reverses uuid, corrects uuid)
    LEFT JOIN accounts_ledgerentry k
      ON k.account_id = p_account AND k.source = x.source AND k.external_id = x.external_id AND k.external_id <> ''
    LEFT JOIN accounts_ledgerentry v ON v.account_id = p_account AND v.id = coalesce(x.reverses, x.corrects)
    ORDER BY t.n
  LOOP
    verdict := 'created';
    IF (d.known).id IS NOT NULL THEN
      verdict := CASE WHEN (
          (d.known).kind, (d.known).occurred_at, (d.known).instrument_id, (d.known).quantity, (d.known).price, (d.known).cash,
          (d.known).currency, (d.known).fee, (d.known).tax, (d.known).data, (d.known).reverses_id
        ) IS NOT DISTINCT FROM (
          d.kind::varchar, d.occurred_at, d.instrument_id, coalesce(d.quantity, 0), d.price, coalesce(d.cash, 0),
          d.currency::varchar, coalesce(d.fee, 0), coalesce(d.tax, 0), coalesce(d.data, '{}'), d.reverses
        ) THEN 'known' ELSE 'conflicting' END;
    ELSIF coalesce(d.reverses, d.corrects) IS NOT NULL AND ((d.victim).id IS NULL OR (d.victim).reverses_id IS NOT NULL) THEN
      verdict := 'unknown';
    ELSIF d.reverses IS NOT NULL AND EXISTS (
      SELECT FROM accounts_ledgerentry r WHERE r.account_id = p_account AND r.reverses_id = d.reverses
    ) THEN
      verdict := 'reversed';
    END IF;
    IF verdict <> 'created' THEN
      refused := refused OR verdict <> 'known';
      answers := array_append(answers, jsonb_build_array(d.n, (d.known).id, (d.known).sequence, verdict));
      CONTINUE;
    END IF;

    e.id := coalesce(d.id, ledger_uuidv7(e.recorded_at));
    e.sequence := head.sequence + 1;
    e.kind := d.kind;
    e.occurred_at := d.occurred_at;
    e.group_id := d."group";
    e.instrument_id := d.instrument_id;
    e.quantity := coalesce(d.quantity, 0);
    e.price := d.price;
    e.cash := coalesce(d.cash, 0);
    e.currency := d.currency;
    e.fee := coalesce(d.fee, 0);
    e.tax := coalesce(d.tax, 0);
    e.data := coalesce(d.data, '{}');
    e.reason_primary := coalesce(d.reason_primary, '');
    e.reason_explanation := coalesce(d.reason_explanation, '');
    e.notes := coalesce(d.notes, '');
    e.tags := coalesce(d.tags, '{}');
    e.source := coalesce(d.source, '');
    e.external_id := coalesce(d.external_id, '');
    e.reverses_id := d.reverses;
    e.corrects_id := d.corrects;
    e.previous_hash := head.hash;
    e.hash := sha256(head.hash || ledger_canonical(e));
    head.sequence := e.sequence;
    head.hash := e.hash;
    head.recorded_at := e.recorded_at;
    fresh := array_append(fresh, e);
    answers := array_append(answers, jsonb_build_array(d.n, e.id, e.sequence, 'created'));
  END LOOP;

  IF cardinality(fresh) > 0 AND (p_partial OR NOT refused) THEN
    PERFORM set_config('bedrock.appending', 'on', true);
    INSERT INTO accounts_ledgerentry SELECT f.* FROM unnest(fresh) AS f;
    PERFORM set_config('bedrock.appending', '', true);
    UPDATE accounts_ledgerhead h SET sequence = head.sequence, hash = head.hash, recorded_at = head.recorded_at
    WHERE h.account_id = p_account;
  END IF;
  RETURN QUERY
    SELECT (a ->> 0)::bigint, (a ->> 1)::uuid, (a ->> 2)::bigint,
           CASE WHEN a ->> 3 = 'created' AND refused AND NOT p_partial THEN 'skipped' ELSE a ->> 3 END
    FROM unnest(answers) AS a;
END $$;

-- An id that sorts by its time (RFC 9562, version 7), for PostgreSQL before 18 as well.
CREATE FUNCTION ledger_uuidv7(at timestamptz) RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
  SELECT encode(
    set_bit(set_bit(
      overlay(uuid_send(gen_random_uuid())
              PLACING substring(int8send((extract(epoch FROM at) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
      52, 1), 53, 1), 'hex')::uuid
$$;

REVOKE ALL ON FUNCTION ledger_append(uuid, uuid, jsonb, boolean) FROM PUBLIC;
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

-- The signs of each kind (a reversal carries the opposite ones), in the database too.
ALTER TABLE accounts_ledgerentry
  ADD CONSTRAINT entry_quantity_has_its_sign CHECK (CASE
    WHEN kind IN ('BUY', 'COVER', 'SPIN_OFF', 'STAKING') THEN quantity * (CASE WHEN reverses_id IS NULL THEN 1 ELSE -1 END) > 0
    WHEN kind IN ('SELL', 'SHORT') THEN quantity * (CASE WHEN reverses_id IS NULL THEN 1 ELSE -1 END) < 0
    WHEN kind = 'TRANSFER_IN' THEN quantity * (CASE WHEN reverses_id IS NULL THEN 1 ELSE -1 END) >= 0
    WHEN kind = 'TRANSFER_OUT' THEN quantity * (CASE WHEN reverses_id IS NULL THEN 1 ELSE -1 END) <= 0
    WHEN kind IN ('MERGER', 'OPTION_EXERCISE', 'OPTION_ASSIGNMENT', 'OPTION_EXPIRATION') THEN quantity <> 0
    WHEN kind = 'SPLIT' THEN true
    ELSE quantity = 0 END),
  ADD CONSTRAINT entry_cash_has_its_sign CHECK (CASE
    WHEN kind IN ('DEPOSIT', 'RETURN_OF_CAPITAL') THEN cash * (CASE WHEN reverses_id IS NULL THEN 1 ELSE -1 END) > 0
    WHEN kind IN ('WITHDRAWAL', 'FEE', 'TAX') THEN cash * (CASE WHEN reverses_id IS NULL THEN 1 ELSE -1 END) < 0
    WHEN kind IN ('BUY', 'COVER', 'TRANSFER_OUT') THEN cash * (CASE WHEN reverses_id IS NULL THEN 1 ELSE -1 END) <= 0
    WHEN kind IN ('SELL', 'SHORT') THEN cash * (CASE WHEN reverses_id IS NULL THEN 1 ELSE -1 END) >= -abs(fee + tax)
    WHEN kind IN ('DIVIDEND', 'TRANSFER_IN') THEN cash * (CASE WHEN reverses_id IS NULL THEN 1 ELSE -1 END) >= 0
    WHEN kind IN ('INTEREST', 'FX') THEN cash <> 0
    WHEN kind IN ('OPTION_EXPIRATION', 'STAKING', 'VALUATION', 'LIABILITY', 'NOTE') THEN cash = 0
    ELSE true END),
  ADD CONSTRAINT entry_costs_have_their_sign CHECK (
    fee * (CASE WHEN reverses_id IS NULL THEN 1 ELSE -1 END) >= 0 AND tax * (CASE WHEN reverses_id IS NULL THEN 1 ELSE -1 END) >= 0),
  ADD CONSTRAINT entry_instrument_where_needed CHECK (CASE
    WHEN kind IN ('BUY', 'SELL', 'SHORT', 'COVER', 'DIVIDEND', 'SPLIT', 'SPIN_OFF', 'MERGER', 'RETURN_OF_CAPITAL', 'OPTION_EXERCISE',
                  'OPTION_ASSIGNMENT', 'OPTION_EXPIRATION', 'STAKING', 'VALUATION') THEN instrument_id IS NOT NULL
    WHEN kind IN ('DEPOSIT', 'WITHDRAWAL', 'FX', 'LIABILITY') THEN instrument_id IS NULL
    ELSE true END),
  ADD CONSTRAINT entry_price_where_needed CHECK (
    (kind NOT IN ('BUY', 'SELL', 'SHORT', 'COVER', 'VALUATION', 'LIABILITY') OR price IS NOT NULL) AND (price IS NULL OR price >= 0)),
  ADD CONSTRAINT entry_numbers_are_finite CHECK (
    quantity <> 'NaN' AND cash <> 'NaN' AND fee <> 'NaN' AND tax <> 'NaN' AND (price IS NULL OR price <> 'NaN')),
  ADD CONSTRAINT entry_currency_is_iso CHECK (currency ~ '^[A-Z]{3}$'),
  ADD CONSTRAINT entry_happened_before_recorded CHECK (
    occurred_at <= recorded_at + interval '5 minutes' AND occurred_at >= timestamptz '1970-01-01 00:00:00+00'),
  ADD CONSTRAINT entry_hash_is_sha256 CHECK (octet_length(hash) = 32);
