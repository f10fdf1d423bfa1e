-- Orders, what happens to them, and their fills, stored as they are given: JSON arrays of rows that name every column. As a
-- function it takes one trip and its plans are kept; it runs as whoever asks, so that row-level security holds. Where an account
-- has used a client order id before, nothing is stored and it answers false.
CREATE FUNCTION trading_store(_new jsonb, _moved jsonb, _events jsonb, _fills jsonb) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF _new IS NOT NULL THEN
    IF EXISTS (
      SELECT FROM jsonb_to_recordset(_new) AS n (account_id uuid, client_order_id text)
      JOIN trading_order o ON o.account_id = n.account_id AND o.client_order_id = n.client_order_id
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
  IF _fills IS NOT NULL THEN
    INSERT INTO trading_fill SELECT n.* FROM jsonb_populate_recordset(NULL::trading_fill, _fills) AS n;
  END IF;
  RETURN true;
END $$;
REVOKE ALL ON FUNCTION trading_store(jsonb, jsonb, jsonb, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trading_store(jsonb, jsonb, jsonb, jsonb) TO bedrock_app;
