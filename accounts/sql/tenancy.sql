-- Who the transaction acts for. Empty outside `acting_as`, and then nobody's rows are shown.
CREATE FUNCTION app_user() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog AS $$
  SELECT nullif(current_setting('app.user_id', true), '')::uuid
$$;

-- The accounts in which the acting user holds a role or a higher one; a token may narrow them further.
CREATE FUNCTION app_accounts(min_role integer) RETURNS uuid[]
LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = pg_catalog, public AS $$
  SELECT coalesce(array_agg(account_id), '{}')
  FROM accounts_membership
  WHERE user_id = nullif(current_setting('app.user_id', true), '')::uuid
    AND role >= min_role
    AND accepted_at IS NOT NULL
    AND (coalesce(current_setting('app.account_ids', true), '') = ''
         OR account_id::text = ANY (string_to_array(current_setting('app.account_ids', true), ',')))
$$;

-- An account that has no member yet may be claimed by whoever makes it.
CREATE FUNCTION app_unclaimed(p_account uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT NOT EXISTS (SELECT FROM accounts_membership WHERE account_id = p_account)
     AND NOT EXISTS (SELECT FROM accounts_account WHERE id = p_account)
$$;

-- The e-mail of the acting user, by which invitations find them.
CREATE FUNCTION app_email() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT lower(email) FROM accounts_user WHERE id = nullif(current_setting('app.user_id', true), '')::uuid AND is_active
$$;

-- The invitations of the acting user, with what they need to decide: they can't see the account yet.
CREATE FUNCTION app_invitations()
RETURNS TABLE (id uuid, account_id uuid, account_name text, role smallint, invited_by text, invited_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT m.id, m.account_id, a.name, m.role, u.email, m.invited_at
  FROM accounts_membership m
  JOIN accounts_account a ON a.id = m.account_id
  LEFT JOIN accounts_user u ON u.id = m.invited_by_id
  WHERE m.accepted_at IS NULL AND lower(m.email) = app_email() AND a.closed_on IS NULL
$$;

-- Accept an invitation of the acting user; answers whether there was one.
CREATE FUNCTION app_accept_invitation(p_membership uuid, p_at timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  UPDATE accounts_membership SET user_id = app_user(), accepted_at = p_at
  WHERE id = p_membership AND accepted_at IS NULL AND lower(email) = app_email()
    AND EXISTS (SELECT FROM accounts_account a WHERE a.id = account_id AND a.closed_on IS NULL);
  RETURN FOUND;
END $$;

-- A program's token by the hash of its secret: it is looked up before anybody is known.
CREATE FUNCTION app_token(p_digest text)
RETURNS TABLE (id uuid, user_id uuid, scopes text[], accounts uuid[], expires_at timestamptz, last_used_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT t.id, t.user_id, t.scopes::text[], t.accounts, t.expires_at, t.last_used_at
  FROM accounts_apitoken t JOIN accounts_user u ON u.id = t.user_id
  WHERE t.digest = p_digest AND t.revoked_at IS NULL AND u.is_active
$$;

-- An account always keeps an owner, whoever removes or demotes the last one, and by whatever means.
CREATE FUNCTION account_keeps_an_owner() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  PERFORM FROM accounts_account WHERE id = OLD.account_id FOR UPDATE;
  IF FOUND AND NOT EXISTS (
    SELECT FROM accounts_membership WHERE account_id = OLD.account_id AND role >= 30 AND accepted_at IS NOT NULL
  ) THEN
    RAISE EXCEPTION 'account % must keep an owner', OLD.account_id USING ERRCODE = 'BR003';
  END IF;
  RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER account_keeps_an_owner AFTER UPDATE OR DELETE ON accounts_membership
DEFERRABLE INITIALLY IMMEDIATE FOR EACH ROW EXECUTE FUNCTION account_keeps_an_owner();

REVOKE ALL ON FUNCTION app_accounts(integer), app_unclaimed(uuid), app_email(), app_invitations(),
  app_accept_invitation(uuid, timestamptz), app_token(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app_accounts(integer), app_unclaimed(uuid), app_email(), app_invitations(),
  app_accept_invitation(uuid, timestamptz), app_token(text) TO bedrock_app, bedrock_system;
