-- Orders and what happens to them, stored as they are given: JSON arrays of rows that name every column. As a function it takes
-- one trip and its plans are kept. It looks once at which accounts the asker trades in, where row-level security would for each
-- table: with a row of another account all is refused. Where an account has used a client order id before, nothing is stored and
-- it answers false.
CREATE FUNCTION trading_store(_new jsonb, _moved jsonb, _events jsonb) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  _trades uuid[] := app_accounts(20);
BEGIN
  IF EXISTS (
    SELECT FROM (VALUES (_new), (_moved), (_events)) AS given (rows)
    CROSS JOIN LATERAL jsonb_array_elements(given.rows) AS n (row)
    WHERE ((n.row ->> 'account_id')::uuid = ANY (_trades)) IS NOT TRUE
  ) THEN
    RAISE EXCEPTION 'orders are stored by who trades in their account' USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF _new IS NOT NULL THEN
    IF EXISTS (
      SELECT FROM jsonb_to_recordset(_new) AS n (account_id uuid, client_order_id text)
      CROSS JOIN LATERAL (  -- OFFSET: by the key of each, however many orders there are
        SELECT FROM trading_order o WHERE o.account_id = n.account_id AND o.client_order_id = n.client_order_id OFFSET 0
      ) AS used
    ) THEN
      RETURN false;
    END IF;
    INSERT INTO trading_order SELECT n.* FROM jsonb_populate_recordset(NULL::trading_order, _new) AS n;
  END IF;
  IF _moved IS NOT NULL THEN  -- what was asked for never changes
    UPDATE trading_order AS o SET
      status = n.status, quantity = n.quantity, filled_quantity = n.filled_quantity, filled_value = n.filled_value,
      filled_fee = n.filled_fee, average_price = n.average_price, pending_cancel = n.pending_cancel,
      pending_replace = n.pending_replace, triggered = n.triggered, high_water_mark = n.high_water_mark, events = n.events,
      updated_at = n.updated_at, ended_at = n.ended_at, broker_order_id = n.broker_order_id, sending = n.sending,
      claimed_at = n.claimed_at, attempts = n.attempts, submitted_at = n.submitted_at
    FROM jsonb_populate_recordset(NULL::trading_order, _moved) AS n
    WHERE o.account_id = n.account_id AND o.id = n.id;
  END IF;
  IF _events IS NOT NULL THEN
    INSERT INTO trading_orderevent SELECT n.* FROM jsonb_populate_recordset(NULL::trading_orderevent, _events) AS n;
  END IF;
  RETURN true;
END $$;
REVOKE ALL ON FUNCTION trading_store(jsonb, jsonb, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trading_store(jsonb, jsonb, jsonb) TO bedrock_app;
DROP FUNCTION trading_store(jsonb, jsonb, jsonb, jsonb);
