-- How an account stands, once whoever trades in it has finished: limits are checked, and orders stored, one after another.
CREATE FUNCTION trading_standing_held(_purpose integer, _account uuid, _instrument uuid, _minor text[]) RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(_purpose, hashtext(_account::text));
  RETURN trading_standing(_account, _instrument, _minor);  -- what was committed while it waited is seen
END $$;
REVOKE ALL ON FUNCTION trading_standing_held(integer, uuid, uuid, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trading_standing_held(integer, uuid, uuid, text[]) TO bedrock_app;
