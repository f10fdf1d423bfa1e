DROP FUNCTION trading_locked(uuid, uuid[], boolean);
-- Orders of an account in their order, locked until the transaction ends; unless `_waiting`, without those that somebody else is
-- at. As a function its plan is kept; it runs as whoever asks.
CREATE FUNCTION trading_locked(_account uuid, _ids uuid[], _waiting boolean) RETURNS SETOF trading_order
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF _waiting THEN
    RETURN QUERY SELECT o.* FROM trading_order o WHERE o.account_id = _account AND o.id = ANY (_ids) ORDER BY o.id FOR UPDATE;
  ELSE
    RETURN QUERY
    SELECT o.* FROM trading_order o WHERE o.account_id = _account AND o.id = ANY (_ids) ORDER BY o.id FOR UPDATE SKIP LOCKED;
  END IF;
END $$;

-- Which of a broker's executions an account knows, and by what figures; without a broker, of the one that an order is at.
CREATE OR REPLACE FUNCTION trading_known(_account uuid, _broker text, _order uuid, _executions text[])
RETURNS TABLE (execution_id varchar, order_id uuid, quantity numeric, price numeric, fee numeric)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF _broker IS NULL THEN
    SELECT o.broker INTO _broker FROM trading_order o WHERE o.account_id = _account AND o.id = _order;
  END IF;
  RETURN QUERY SELECT f.* FROM unnest(_executions) AS e (name)
  CROSS JOIN LATERAL (  -- OFFSET: by the key of each, however many fills there are
    SELECT k.execution_id, k.order_id, k.quantity, k.price, k.fee FROM trading_fill k
    WHERE k.account_id = _account AND k.broker = _broker AND k.execution_id = e.name OFFSET 0
  ) AS f;
END $$;
REVOKE ALL ON FUNCTION trading_locked(uuid, uuid[], boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trading_locked(uuid, uuid[], boolean) TO bedrock_app;
