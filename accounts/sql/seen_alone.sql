-- One of the acting user's accounts, with the user's role and the head of its ledger: the question of every request. As a function
-- its plan is kept; it runs as whoever asks, so that row-level security holds.
CREATE FUNCTION accounts_seen(
  _user uuid, _account uuid, _lowest smallint, OUT account accounts_account, OUT role smallint, OUT head accounts_ledgerhead)
RETURNS SETOF record LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  RETURN QUERY
  SELECT a, m.role, h FROM accounts_account a
  JOIN accounts_membership m ON m.account_id = a.id AND m.user_id = _user AND m.accepted_at IS NOT NULL
  LEFT JOIN accounts_ledgerhead h ON h.account_id = a.id
  WHERE a.id = _account AND m.role >= _lowest;
END $$;
REVOKE ALL ON FUNCTION accounts_seen(uuid, uuid, smallint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION accounts_seen(uuid, uuid, smallint) TO bedrock_app;

DROP FUNCTION accounts_seen(uuid, uuid, smallint, text, text);
