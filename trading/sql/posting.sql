-- Whether a member of an account wishes mail about a topic, for members of the account alone.
CREATE FUNCTION trading_wished(_account uuid, _topic text) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF EXISTS (
    SELECT FROM accounts_membership m JOIN accounts_user u ON u.id = m.user_id
    WHERE m.account_id = _account AND m.accepted_at IS NOT NULL AND u.mail_topics @> ARRAY[_topic]::varchar[]
  ) THEN
    RETURN _account = ANY (app_accounts(10));
  END IF;
  RETURN false;
END $$;

-- Fills posted in one trip: their ledger entries, the fills, an event of each, how their orders stand, and what else happened to
-- those. Of a fill `_fills` has an array: its id, its entry's, its order's, the execution's, quantity, price, fee and time, then of
-- its event the id, the sequence and how the order stood. It runs as whoever asks, so that row-level security holds. `answers` are
-- those of the ledger, unless all entries are new and their instruments followed. `stored` is false where it refused one: then
-- nothing is stored. `wished` says whether somebody wishes mail about fills.
CREATE FUNCTION trading_post(
  _account uuid, _actor uuid, _broker text, _door text, _now timestamptz, _drafts jsonb, _fills jsonb, _moved jsonb, _events jsonb,
  OUT stored boolean, OUT answers jsonb, OUT wished boolean)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  _entries uuid[];
BEGIN
  answers := ledger_append(_account, _actor, _drafts);
  stored := NOT jsonb_path_exists(answers, 'strict $[*] ? (@[0] != "created" && @[0] != "known")');
  wished := stored AND trading_wished(_account, 'FILL');
  IF NOT stored THEN
    RETURN;
  ELSIF jsonb_path_exists(answers, 'strict $[*] ? (@[0] != "created" || @[6] != true)') THEN
    SELECT array_agg((a ->> 1)::uuid ORDER BY n) INTO _entries FROM jsonb_array_elements(answers) WITH ORDINALITY AS t (a, n);
  ELSE
    answers := NULL;
  END IF;
  INSERT INTO trading_fill (id, account_id, order_id, broker, execution_id, quantity, price, fee, at, recorded_at, entry_id)
  SELECT (f ->> 0)::uuid, _account, (f ->> 2)::uuid, _broker, f ->> 3, (f ->> 4)::numeric, (f ->> 5)::numeric, (f ->> 6)::numeric,
         (f ->> 7)::timestamptz, _now, coalesce(_entries[n], (f ->> 1)::uuid)
  FROM jsonb_array_elements(_fills) WITH ORDINALITY AS t (f, n);
  INSERT INTO trading_orderevent (
    id, account_id, order_id, sequence, kind, status, at, recorded_at, door, detail, data, external_id)
  SELECT (f ->> 8)::uuid, _account, (f ->> 2)::uuid, (f ->> 9)::integer, 'FILLED', f ->> 10, (f ->> 7)::timestamptz, _now, _door, '',
         jsonb_build_object('execution_id', f -> 3, 'quantity', f -> 4, 'price', f -> 5), ''
  FROM jsonb_array_elements(_fills) AS t (f);
  PERFORM trading_store(NULL, _moved, _events, NULL);
END $$;
REVOKE ALL ON FUNCTION trading_post(uuid, uuid, text, text, timestamptz, jsonb, jsonb, jsonb, jsonb), trading_wished(uuid, text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trading_post(uuid, uuid, text, text, timestamptz, jsonb, jsonb, jsonb, jsonb), trading_wished(uuid, text)
TO bedrock_app;
