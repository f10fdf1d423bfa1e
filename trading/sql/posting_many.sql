DROP FUNCTION trading_post(uuid, uuid, text, text, timestamptz, jsonb, jsonb, jsonb, jsonb);

-- Fills posted in one trip: their ledger entries, the fills, an event of each, how their orders stand, and what else happened to
-- those. Of fills there are arrays, one for each column: their ids, their entries', their orders', the executions', quantities,
-- prices, fees and times, then of their events the ids, the sequences and how the orders stood. It runs as whoever asks, so that
-- row-level security holds. `answers` are those of the ledger, unless all entries are new and their instruments followed. `stored`
-- is false where it refused one: then nothing is stored. `wished` says whether somebody wishes mail about fills.
CREATE FUNCTION trading_post(
  _account uuid, _actor uuid, _broker text, _door text, _now timestamptz, _drafts jsonb, _ids uuid[], _entries uuid[],
  _orders uuid[], _executions text[], _quantities numeric[], _prices numeric[], _fees numeric[], _ats timestamptz[],
  _event_ids uuid[], _sequences integer[], _statuses text[], _moved jsonb, _events jsonb,
  OUT stored boolean, OUT answers jsonb, OUT wished boolean)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  answers := ledger_append(_account, _actor, _drafts);
  stored := true;
  IF NOT jsonb_path_exists(answers, 'strict $[*] ? (@[0] != "created" || @[6] != true)') THEN
    answers := NULL;
  ELSIF jsonb_path_exists(answers, 'strict $[*] ? (@[0] != "created" && @[0] != "known")') THEN
    stored := false;
    wished := false;
    RETURN;
  ELSE
    SELECT array_agg((a ->> 1)::uuid ORDER BY n) INTO _entries FROM jsonb_array_elements(answers) WITH ORDINALITY AS t (a, n);
  END IF;
  wished := trading_wished(_account, 'FILL');
  INSERT INTO trading_fill (id, account_id, order_id, broker, execution_id, quantity, price, fee, at, recorded_at, entry_id)
  SELECT f.id, _account, f.order_id, _broker, f.execution_id, f.quantity, f.price, f.fee, f.at, _now, f.entry_id
  FROM unnest(_ids, _entries, _orders, _executions, _quantities, _prices, _fees, _ats)
    AS f (id, entry_id, order_id, execution_id, quantity, price, fee, at);
  INSERT INTO trading_orderevent (
    id, account_id, order_id, sequence, kind, status, at, recorded_at, door, detail, data, external_id)
  SELECT f.id, _account, f.order_id, f.sequence, 'FILLED', f.status, f.at, _now, _door, '',
         jsonb_build_object('execution_id', f.execution_id, 'quantity', trim_scale(f.quantity)::text,
                            'price', trim_scale(f.price)::text), ''
  FROM unnest(_event_ids, _orders, _sequences, _statuses, _ats, _executions, _quantities, _prices)
    AS f (id, order_id, sequence, status, at, execution_id, quantity, price);
  PERFORM trading_store(NULL, _moved, _events, NULL);
END $$;
REVOKE ALL ON FUNCTION trading_post(
  uuid, uuid, text, text, timestamptz, jsonb, uuid[], uuid[], uuid[], text[], numeric[], numeric[], numeric[], timestamptz[],
  uuid[], integer[], text[], jsonb, jsonb)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trading_post(
  uuid, uuid, text, text, timestamptz, jsonb, uuid[], uuid[], uuid[], text[], numeric[], numeric[], numeric[], timestamptz[],
  uuid[], integer[], text[], jsonb, jsonb)
TO bedrock_app;

-- Orders of an account with their instruments, in their order, locked until the transaction ends; unless `_waiting`, without those
-- that somebody else is at. As a function its plan is kept; it runs as whoever asks.
CREATE FUNCTION trading_locked(_account uuid, _ids uuid[], _waiting boolean)
RETURNS TABLE (o trading_order, i marketdata_instrument)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF _waiting THEN
    RETURN QUERY SELECT one, its FROM trading_order one JOIN marketdata_instrument its ON its.id = one.instrument_id
      WHERE one.account_id = _account AND one.id = ANY (_ids) ORDER BY one.id FOR UPDATE OF one;
  ELSE
    RETURN QUERY SELECT one, its FROM trading_order one JOIN marketdata_instrument its ON its.id = one.instrument_id
      WHERE one.account_id = _account AND one.id = ANY (_ids) ORDER BY one.id FOR UPDATE OF one SKIP LOCKED;
  END IF;
END $$;

-- Which of a broker's executions an account knows, and by what figures; without a broker, of the one that an order is at.
CREATE FUNCTION trading_known(_account uuid, _broker text, _order uuid, _executions text[])
RETURNS TABLE (execution_id varchar, order_id uuid, quantity numeric, price numeric, fee numeric)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF _broker IS NULL THEN
    SELECT o.broker INTO _broker FROM trading_order o WHERE o.account_id = _account AND o.id = _order;
  END IF;
  RETURN QUERY SELECT f.execution_id, f.order_id, f.quantity, f.price, f.fee FROM trading_fill f
    WHERE f.account_id = _account AND f.broker = _broker AND f.execution_id = ANY (_executions);
END $$;
REVOKE ALL ON FUNCTION trading_locked(uuid, uuid[], boolean), trading_known(uuid, text, uuid, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trading_locked(uuid, uuid[], boolean), trading_known(uuid, text, uuid, text[]) TO bedrock_app;
