"""Commands of derived figures."""
