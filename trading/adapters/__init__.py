"""Those who carry orders out: each speaks the protocol of `trading.adapters.base`, and passes its contract."""
