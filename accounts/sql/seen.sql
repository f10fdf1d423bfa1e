-- One of the acting user's accounts, with the user's role and the head of its ledger: the question of every request. Whoever orders
-- asks for the instrument of a symbol at an exchange, too. As a function its plan is kept; it runs as whoever asks, so that
-- row-level security holds.
CREATE FUNCTION accounts_seen(
  _user uuid, _account uuid, _lowest smallint, _symbol text, _exchange text,
  OUT account accounts_account, OUT role smallint, OUT head accounts_ledgerhead, OUT instrument marketdata_instrument)
RETURNS SETOF record LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  RETURN QUERY
  SELECT a, m.role, h, i FROM accounts_account a
  JOIN accounts_membership m ON m.account_id = a.id AND m.user_id = _user AND m.accepted_at IS NOT NULL
  LEFT JOIN accounts_ledgerhead h ON h.account_id = a.id
  LEFT JOIN marketdata_instrument i ON i.symbol = _symbol AND i.exchange = _exchange
  WHERE a.id = _account AND m.role >= _lowest;
END $$;
REVOKE ALL ON FUNCTION accounts_seen(uuid, uuid, smallint, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION accounts_seen(uuid, uuid, smallint, text, text) TO bedrock_app;
